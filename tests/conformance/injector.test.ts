import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { startInjector } from './injector.ts'

test('the token is asked for each request and replaces what the client sent; all else arrives as it was', async () => {
  await using target = await startTarget((incoming, response) => {
    response.writeHead(202, 'Taken', ['X-Case', 'Kept']).end(JSON.stringify(incoming.rawHeaders))
  })
  let asked = 0
  await using injector = await startInjector(target.url, async () => `token-${++asked}`)
  await (await fetch(injector.url)).text()

  const headers = [
    'Host',
    'evil.example.com',
    'Origin',
    'http://evil.example.com',
    'authorization',
    'Basic x',
  ]
  const answer = await send(injector.url, headers)

  expect(answer).toMatchObject({ statusCode: 202, statusMessage: 'Taken' })
  expect(answer.rawHeaders).toEqual(expect.arrayContaining(['X-Case', 'Kept']))
  const arrived = JSON.parse(await readAll(answer)) as string[]
  expect(arrived.slice(0, 4)).toEqual(headers.slice(0, 4))
  expect(arrived.slice(-2)).toEqual(['Authorization', 'Bearer token-2'])
  expect(arrived).not.toContain('Basic x')
})

test('an event reaches the client while the stream is open, and a client that leaves is noticed behind', async () => {
  const left = Promise.withResolvers<void>()
  await using target = await startTarget((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
    response.once('close', left.resolve)
  })
  await using injector = await startInjector(target.url, async () => 'token')
  const leaving = new AbortController()

  const answer = await fetch(injector.url, { signal: leaving.signal })
  const first = await answer.body?.getReader().read()
  leaving.abort()

  expect(new TextDecoder().decode(first?.value)).toBe('data: first\n\n')
  await left.promise
})

test('502: the server behind does not answer, or there is no token to give', async () => {
  const target = await startTarget(() => {})
  await target[Symbol.asyncDispose]()
  await using orphan = await startInjector(target.url, async () => 'token')
  expect((await fetch(orphan.url)).status).toBe(502)
  await using poor = await startInjector(target.url, async () => {
    throw new Error('no token')
  })
  expect((await fetch(poor.url)).status).toBe(502)
})

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function startTarget(handler: Handler): Promise<AsyncDisposable & { url: string }> {
  const server: Server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise<void>(resolve => void server.close(() => resolve()))
  }
  return { url: `http://127.0.0.1:${port}/mcp`, [Symbol.asyncDispose]: close }
}

async function send(url: string, headers: string[]): Promise<IncomingMessage> {
  const [answer] = (await once(request(url, { headers, agent: false }).end(), 'response')) as [
    IncomingMessage,
  ]
  return answer
}

async function readAll(stream: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}
