import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { serveParent } from './parent.ts'

const INITIALIZED = {
  ...{ jsonrpc: '2.0', id: 1 },
  result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
}

test('a parent that has gone is not outlived for a server that does not answer the end of its session', async () => {
  const [input, out] = [new PassThrough(), new PassThrough()]
  const asked: (string | undefined)[] = []
  const parent = await serveParent({
    url: 'http://server.test/mcp',
    async fetch(_, init) {
      asked.push(init?.method)
      if (init?.method === 'POST')
        return Response.json(INITIALIZED, { headers: { 'mcp-session-id': 'session-1' } })
      return new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    },
    ...{ in: input, out, log: () => undefined },
  })
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  input.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`)
  await once(out, 'data')
  input.end()
  await parent.gone
  await parent.close()
  expect(asked.at(-1)).toBe('DELETE')
})
