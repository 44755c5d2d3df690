import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { createFetch } from './fetch.ts'
import { createReach, type ReachOptions } from './reach.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  open.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}
const fetchWith = (options: Partial<ReachOptions> = {}) =>
  createFetch(createReach({ privateHosts: [], ...options }))

test('what is sent and said goes through as it is', async () => {
  const url = await serve(async (request, response) => {
    const said = { method: request.method, body: await text(request), x: request.headers['x-own'] }
    response.writeHead(201, { 'content-type': 'application/json', 'x-more': 'yes' }).end(JSON.stringify(said))
  })
  const fetch = fetchWith({ privateHosts: [url.host] })
  const body = new URLSearchParams({ a: '1 2' })
  const answer = await fetch(url.href, { method: 'POST', body, headers: { 'x-own': 'here' } })
  expect([answer.status, answer.headers.get('x-more')]).toEqual([201, 'yes'])
  expect(await answer.json()).toEqual({ method: 'POST', body: 'a=1+2', x: 'here' })
})

test.each([
  ['an address of this machine', 'http://127.0.0.1:1/'],
  ['the same in IPv6', 'http://[::1]:1/'],
  ['the same in another spelling', 'http://2130706433:1/'],
  ['one of this network', 'https://10.0.0.7/'],
  ['the metadata of a cloud', 'http://169.254.169.254/latest'],
])('%s is asked nothing', async (_, url) => {
  await expect(fetchWith()(url)).rejects.toMatchObject({ reason: 'address' })
})

test('a name is looked up once, and all that it leads to must be open', async () => {
  let asked = 0
  const resolve = async () => {
    asked++
    return ['93.184.216.34', '10.0.0.7']
  }
  await expect(fetchWith({ resolve })('https://idp.test/')).rejects.toMatchObject({ reason: 'address' })
  expect(asked).toBe(1)
  await expect(fetchWith({ resolve: async () => [] })('https://idp.test/')).rejects.toMatchObject({
    reason: 'host_unknown',
  })
})

test('in clear nothing leaves this machine, whatever its host was allowed', async () => {
  const resolve = async () => ['93.184.216.34']
  await expect(fetchWith({ resolve })('http://idp.test/keys')).rejects.toMatchObject({ reason: 'address' })
  const inside = fetchWith({ privateHosts: ['idp.test'], resolve: async () => ['10.0.0.7'] })
  await expect(inside('http://idp.test/keys')).rejects.toMatchObject({ reason: 'address' })
})

test('who is heard on this machine alone also asks there, and nowhere else in this network', async () => {
  const url = await serve((_, response) => response.end('here'))
  const fetch = fetchWith({ isOwnMachine: true })
  expect(await (await fetch(url.href)).text()).toBe('here')
  await expect(fetch('https://192.168.1.1/')).rejects.toMatchObject({ reason: 'address' })
})

test('a redirect is not followed, and an answer has an end', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/there') response.writeHead(302, { location: '/' }).end()
    else response.end(Buffer.alloc(600 * 1024))
  })
  const fetch = fetchWith({ privateHosts: [url.host] })
  await expect(fetch(`${url.href}there`)).rejects.toMatchObject({ reason: 'redirect' })
  await expect(fetch(url.href)).rejects.toMatchObject({ reason: 'too_large' })
  await expect(fetch('not an address')).rejects.toMatchObject({ reason: 'unreachable' })
})
