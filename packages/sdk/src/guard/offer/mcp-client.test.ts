import { expect, test } from 'vitest'
import { connectMcp } from './mcp-client.ts'

const options = { url: 'http://server.test/mcp', timeoutMs: 50 }
const never = new Promise<never>(() => undefined)

test('a server that never answers is not waited for, nor one whose answer never ends', async () => {
  const silent = new ReadableStream({ pull: () => never })
  const endless = () => new Response(silent, { headers: { 'content-type': 'text/event-stream' } })
  for (const send of [() => never, endless])
    await expect(connectMcp({ ...options, send })).rejects.toMatchObject({ code: 'upstream.timeout' })
})
