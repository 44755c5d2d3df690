import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createGuard } from './index.ts'
import { temporaryDirectory } from './spool/testing/directory.ts'

test('an authority that goes away in the midst of a start is tried again', async () => {
  let registrations = 0
  const authority = createServer((request, response) => {
    if (request.url !== '/feed/register') return void response.writeHead(503).end('{}')
    const server = { id: 'srv_1', name: 'billing', url: 'https://billing.example/mcp' }
    const { origin } = new URL(`http://${request.headers.host}`)
    const body = {
      point: 'pnt_1',
      epoch: ++registrations,
      session: 'secret',
      issuer: origin,
      fingerprintKey: 'a2V5',
      server,
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(authority, 'listening')
  using directory = temporaryDirectory()
  const url = `http://127.0.0.1:${(authority.address() as AddressInfo).port}`
  const guard = createGuard({ url, serverKey: 'vk_sky_x', directory: directory.path })
  const ended = guard.ready().then(
    () => 'ready',
    fault => String(fault),
  )
  await expect.poll(() => registrations, { timeout: 5_000 }).toBeGreaterThan(2)
  await guard.close()
  expect(await ended).toContain('answered 503')
  authority.closeAllConnections()
  authority.close()
})
