import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../../packages/sdk/src/core/index.ts'
import { contextOf, map, openFeed, type Send, startPoint } from '../../storage/feed-stand.ts'
import { standFeed } from './stand.ts'

const stand = standFeed()

describe('over real sockets', () => {
  async function listen(): Promise<{ send: Send; close(): Promise<void> }> {
    const server = serve({ fetch: stand.feed.app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return {
      send: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init),
      async close() {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  }

  test('events arrive as they happen, and quiet streams show that they are alive', async () => {
    const { send, close } = await listen()
    const point = await startPoint(send, stand.seeded.serverKey)
    const { revision } = await point.snapshot(CATALOGUE)
    const response = await point.send(`/feed/changes?from=catalogue.${revision}`)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    const reader = response.body?.getReader()
    const text = async () => new TextDecoder().decode((await reader?.read())?.value)
    expect(await text()).toBe(': beat\n\n')
    await map(contextOf(stand.store), stand.seeded.billing.id, 'void')
    let seen = ''
    while (!seen.includes('event: change')) seen += await text()
    await reader?.cancel()
    await close()
  })

  test('a subscriber that does not read is dropped, and holds no memory meanwhile', async () => {
    stand.feed.close()
    stand.feed = openFeed(stand.store, { beatMs: 20, stallMs: 100 })
    const { send, close } = await listen()
    const point = await startPoint(send, stand.seeded.serverKey)
    const { revision } = await point.snapshot(CATALOGUE)
    const response = await point.send(`/feed/changes?from=catalogue.${revision}`)
    const schema = { type: 'object', description: 'x'.repeat(200_000) }
    for (let n = 0; n < 60; n++)
      await map(contextOf(stand.store), stand.seeded.billing.id, `tool-${n}`, schema)
    await new Promise(resolve => setTimeout(resolve, 400))
    await expect(new Response(response.body).text()).rejects.toThrow()
    await close()
  })
})
