import { createGuard, type Handler } from '@valetkey/sdk/guard'
import { serve, settings } from '../child.ts'
import { measureStages } from '../guard-stages.ts'
import type { callFor } from '../product.ts'
import { answerMcp } from './invoices.ts'

/** Calls of one handler, with the guard in front or without. */
export interface GuardOrder {
  isGuarded: boolean
  calls: number
  callers: number
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
const guarded = guard.fetch(handler)
const bare = (request: Request) => handler(request, { authInfo: undefined as never })

/** Microseconds of CPU a call, until the authority has the records. */
async function run({ isGuarded, calls, callers }: GuardOrder): Promise<number> {
  const answer = isGuarded ? guarded : bare
  let left = calls
  const caller = async () => {
    while (left-- > 0) {
      const response = await answer(new Request(resource, { method: 'POST', ...call }))
      const text = await response.text()
      if (!text.includes('INV-1042') || text.includes('"isError"')) throw new Error(text)
    }
  }
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: callers }, caller))
  while (backlog() > 0) await new Promise(resolve => setTimeout(resolve, 20))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

function backlog(): number {
  return Number(/^valetkey_spool_records (\d+)$/m.exec(guard.metrics())?.[1])
}

serve(null, (order: GuardOrder | 'stages') =>
  order === 'stages'
    ? measureStages({ url, serverKey, directory: `${directory}/stages`, call, resource })
    : run(order),
)
