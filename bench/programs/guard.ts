import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createGuard, type Handler } from '@valetkey/sdk/guard'
import { serve, settings } from '../child.ts'
import { measureStages } from '../guard-stages.ts'
import type { callFor } from '../product.ts'
import { answerMcp } from './invoices.ts'

/** What this program is asked: calls without sockets, with the guard or without; what waits to be shipped; the stages. */
export type GuardQuestion =
  | { kind: 'fetch'; isGuarded: boolean; calls: number; callers: number }
  | { kind: 'backlog' }
  | { kind: 'stages' }

/** Where the same handler answers: behind the official SDK's adapter alone, and behind the guard. */
export interface GuardUrls {
  bare: string
  guarded: string
}

const { url, serverKey, directory, resource, call } = settings<{
  url: string
  serverKey: string
  directory: string
  resource: string
  call: ReturnType<typeof callFor>
}>()

/** A server as it is without a guard: it reads the message where nobody has done so, and answers. */
const handler: Handler = async (request, { parsedBody }) => {
  const message = (parsedBody ?? (await request.json())) as Parameters<typeof answerMcp>[0]
  return Response.json(answerMcp(message) ?? null)
}
const guard = createGuard({ url, serverKey, directory: `${directory}/guard` })
await guard.ready()
const bare = (request: Request) => Promise.resolve(handler(request, {} as never))
const adapter = toNodeHandler({ fetch: bare })
const guarded = guard.fetch(handler)

async function fetchMany(answer: (request: Request) => Promise<Response>, calls: number, callers: number) {
  let left = calls
  const caller = async () => {
    while (left-- > 0) {
      const response = await answer(new Request(resource, { method: 'POST', ...call }))
      const text = await response.text()
      if (!text.includes('INV-1042') || text.includes('"isError"')) throw new Error(text)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${new URL(resource).pathname}`
}

const urls: GuardUrls = {
  bare: await listen((request, response) => void adapter(request as never, response as never)),
  guarded: await listen(guard.node(handler)),
}
serve(urls, (question: GuardQuestion) => {
  if (question.kind === 'backlog') return Number(/^valetkey_spool_records (\d+)$/m.exec(guard.metrics())?.[1])
  if (question.kind === 'stages')
    return measureStages({ url, serverKey, directory: `${directory}/stages`, call, resource })
  return fetchMany(question.isGuarded ? guarded : bare, question.calls, question.callers)
})
