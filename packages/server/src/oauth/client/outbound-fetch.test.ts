import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPublicAddress } from '../../outbound/index.ts'
import { type Site, sendJson, startSite } from '../testing/loopback-site.ts'
import { isDocumentId } from './document.ts'
import { createOutboundFetch, type OutboundOptions } from './outbound-fetch.ts'

const PUBLIC = '93.184.216.34'

/** Names that resolve as a test says, and note how often they were asked for. */
function names(table: Record<string, string[] | string[][]>) {
  const asked: string[] = []
  const resolve = async (host: string): Promise<string[]> => {
    asked.push(host)
    const found = table[host]
    if (!found) throw new Error('ENOTFOUND')
    const isSeries = Array.isArray(found[0])
    return isSeries ? ((found as string[][])[asked.length - 1] ?? []) : (found as string[])
  }
  return { asked, resolve }
}

const fetchWith = (options: Partial<OutboundOptions> = {}) =>
  createOutboundFetch({ privateHosts: [], resolve: names({}).resolve, ...options })
const allowing = ({ host }: Site, ...more: string[]) =>
  fetchWith({ privateHosts: [host, ...more], resolve: async () => ['127.0.0.1'] })

describe('an address that is not public is never connected to', () => {
  const PRIVATE = [
    ...[
      '127.0.0.1',
      '127.8.8.8',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
    ],
    ...['100.64.0.1', '0.0.0.0', '0.1.2.3', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.19.255.255'],
    ...[
      '198.51.100.7',
      '203.0.113.7',
      '224.0.0.1',
      '240.0.0.1',
      '255.255.255.255',
      '192.88.99.1',
      '192.31.196.1',
    ],
    ...[
      '::1',
      '::',
      'fe80::1',
      'fc00::1',
      'fd12::1',
      'fec0::1',
      'ff02::1',
      '100::1',
      '2001:db8::1',
      '3fff::1',
    ],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:8.8.8.8',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '64:ff9b::808:808',
    ],
    ...['2002:7f00:1::', '2001::1', '2001:10::1', '5f00::1', '4000::1', '100:0:0:1::1'],
  ]
  test.each(PRIVATE)('%s', async address => {
    expect(isPublicAddress(address)).toBe(false)
    const literal = address.includes(':') ? `[${address}]` : address
    const written = URL.parse(`https://${literal}/client.json`)?.href ?? ''
    expect(await fetchWith()(written)).toEqual({ ok: false, reason: 'address' })
    const { resolve } = names({ 'app.test': [address], 'mixed.test': [PUBLIC, address] })
    expect(await fetchWith({ resolve })('https://app.test/client.json')).toEqual({
      ok: false,
      reason: 'address',
    })
    expect(await fetchWith({ resolve })('https://mixed.test/client.json')).toEqual({
      ok: false,
      reason: 'address',
    })
  })

  test.each([PUBLIC, '8.8.8.8', '2606:4700::1111'])('%s is public', address => {
    expect(isPublicAddress(address)).toBe(true)
  })

  test.each(['127.1', '0x7f.1', 'localhost', '', '1.2.3.4.5', 'fe80::1%eth0', '[::1]'])(
    '"%s" is no address at all, or none that is public',
    address => expect(isPublicAddress(address)).toBe(false),
  )

  test('whatever four numbers: those of RFC 1918 and of this machine are not public', () => {
    const byte = fc.integer({ min: 0, max: 255 })
    fc.assert(
      fc.property(byte, byte, byte, (b, c, d) => {
        for (const address of [
          `10.${b}.${c}.${d}`,
          `127.${b}.${c}.${d}`,
          `192.168.${c}.${d}`,
          `169.254.${c}.${d}`,
        ])
          expect([isPublicAddress(address), isPublicAddress(`::ffff:${address}`)]).toEqual([false, false])
      }),
    )
  })
})

describe('an address has one spelling', () => {
  test.each([
    ...['http://app.test/client.json', 'https://app.test:443/client.json', 'https://APP.test/client.json'],
    ...[
      'https://user@app.test/client.json',
      'https://user:secret@app.test/client.json',
      'https://@app.test/c',
    ],
    ...['https://app.test./client.json', 'https://app.test/client.json#x', 'https://app.test/client.json#'],
    ...['https://2130706433/client.json', 'https://0x7f000001/client.json', 'https://0177.0.0.1/client.json'],
    ...['https://127.1/client.json', 'https://①②⑦.0.0.1/client.json', 'https://127.0.0.1\\@app.test/c'],
    ...[
      'https://app.test/a/../client.json',
      'https://app.test/./client.json',
      'https://app.test/a/%2e%2e/client.json',
    ],
    ...[' https://app.test/client.json', 'https://app.test/client.json\n', 'https://app.test/cli\tent.json'],
    ...[
      'https://app.test',
      'https://app.test/',
      'file:///etc/passwd',
      'gopher://app.test/x',
      'app.test/client.json',
      '',
    ],
  ])('%s is none', async text => {
    expect(isDocumentId(text)).toBe(false)
  })

  test.each([
    'https://app.test/client.json',
    'https://app.test:8443/a/b',
    'https://app.test/client?v=1',
    'https://[2606:4700::1111]/c',
  ])('%s is one', text => expect(isDocumentId(text)).toBe(true))
})

describe('a name is looked up once, and what was checked is connected to', () => {
  test('rebinding: the second answer is never asked for', async () => {
    await using site = await startSite((_, response) => sendJson(response, { a: 1 }))
    const host = `rebind.site.test:${site.port}`
    const { asked, resolve } = names({ 'rebind.site.test': [['127.0.0.1'], ['10.0.0.1'], ['10.0.0.1']] })
    const fetched = await fetchWith({ privateHosts: [host], resolve })(`https://${host}/client.json`)
    expect(fetched).toMatchObject({ ok: true, body: '{"a":1}' })
    expect([asked, site.hosts]).toEqual([['rebind.site.test'], [host]])
  })

  test('a name that nobody has', async () => {
    expect(await fetchWith()('https://nowhere.test/client.json')).toEqual({
      ok: false,
      reason: 'host_unknown',
    })
    const { resolve } = names({ 'empty.test': [] })
    expect(await fetchWith({ resolve })('https://empty.test/c')).toEqual({
      ok: false,
      reason: 'host_unknown',
    })
  })

  test('a host that may lie in this network is that host alone, with its port', async () => {
    await using site = await startSite((_, response) => sendJson(response, {}))
    const resolve = async () => ['127.0.0.1']
    const closed = fetchWith({ privateHosts: ['localhost', `other.test:${site.port}`], resolve })
    expect(await closed(`${site.url}/client.json`)).toEqual({ ok: false, reason: 'address' })
    expect(site.paths).toEqual([])
  })

  test('a certificate of somebody else ends it', async () => {
    await using site = await startSite((_, response) => sendJson(response, {}))
    const host = `wrong.example:${site.port}`
    const fetch = fetchWith({ privateHosts: [host], resolve: async () => ['127.0.0.1'] })
    expect(await fetch(`https://${host}/client.json`)).toEqual({ ok: false, reason: 'unreachable' })
    expect(site.paths).toEqual([])
  })
})

describe('what is answered', () => {
  test.each<[string, number, Record<string, string>, string]>([
    ['a redirect to the inside', 302, { location: 'https://127.0.0.1/' }, 'status'],
    ['a lasting redirect', 308, { location: '/elsewhere' }, 'status'],
    ['not found', 404, {}, 'status'],
    ['no content', 204, {}, 'status'],
    ['an error', 500, {}, 'status'],
    ['a page', 200, { 'content-type': 'text/html' }, 'type'],
    ['nothing about what it is', 200, { 'content-type': '' }, 'type'],
    ['a script', 200, { 'content-type': 'application/javascript' }, 'type'],
    ['something packed', 200, { 'content-encoding': 'gzip' }, 'type'],
    ['a length beyond the limit', 200, { 'content-length': '6000' }, 'too_large'],
  ])('%s is refused, and nothing else is asked for', async (_what, status, headers, reason) => {
    await using site = await startSite((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(status === 204 ? undefined : reason === 'type' ? gzipSync('{}') : ' '.repeat(6000))
    })
    expect(await allowing(site)(`${site.url}/client.json`)).toEqual({ ok: false, reason })
    expect(site.paths).toEqual(['/client.json'])
  })

  test('a body without end is read up to the limit', async () => {
    let sent = 0
    await using site = await startSite((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = () => {
        if (response.destroyed || sent > 50_000_000) return
        sent += 1024
        response.write(' '.repeat(1024), more)
      }
      more()
    })
    expect(await allowing(site)(`${site.url}/c`)).toEqual({ ok: false, reason: 'too_large' })
    expect(sent).toBeLessThan(10_000_000)
  })

  test('headers without end are not read', async () => {
    await using site = await startSite((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'x-long': 'x'.repeat(12_000) }).end('{}')
    })
    expect(await allowing(site)(`${site.url}/c`)).toEqual({ ok: false, reason: 'unreachable' })
  })

  test('who answers by drops is not waited for', { timeout: 20_000 }, async () => {
    await using site = await startSite((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => response.write(' '), 100)
      response.on('close', () => clearInterval(drip))
    })
    const fetch = allowing(site)
    const began = performance.now()
    const never = fetchWith({ resolve: () => new Promise(() => undefined) })
    const answers = await Promise.all([fetch(`${site.url}/c`), never('https://app.test/c')])
    expect(answers).toEqual(Array(2).fill({ ok: false, reason: 'timeout' }))
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  test('so many are under way at once, and no more', async () => {
    const { promise, resolve } = Promise.withResolvers<string[]>()
    const fetch = fetchWith({ resolve: () => promise })
    const waiting = Array.from({ length: 32 }, () => fetch('https://app.test/c'))
    expect(await fetch('https://app.test/c')).toEqual({ ok: false, reason: 'busy' })
    resolve([])
    expect(await Promise.all(waiting)).toEqual(Array(32).fill({ ok: false, reason: 'host_unknown' }))
    expect(await fetch('https://app.test/c')).toEqual({ ok: false, reason: 'host_unknown' })
  })

  test.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['max-age=120', 120],
    ['public, max-age="60"', 60],
    ['no-store', 0],
    ['max-age=600, no-cache', 0],
    ['s-maxage=9', undefined],
  ])('Cache-Control: %s', async (cacheControl, maxAgeSeconds) => {
    await using site = await startSite((_, response) =>
      sendJson(response, {}, cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
    )
    expect(await allowing(site)(`${site.url}/c`)).toEqual({ ok: true, body: '{}', maxAgeSeconds })
  })
})
