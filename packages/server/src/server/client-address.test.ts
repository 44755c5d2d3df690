import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createAddressOf } from './client-address.ts'

function from(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

describe('without trusted proxies', () => {
  test('the connection counts, whatever a header says', () => {
    expect(createAddressOf([])(from('203.0.113.9', '198.51.100.1'))).toBe('203.0.113.9')
  })

  test('an IPv4 address has one spelling', () => {
    expect(createAddressOf([])(from('::ffff:203.0.113.9'))).toBe('203.0.113.9')
  })
})

describe('with trusted proxies', () => {
  const addressOf = createAddressOf(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])

  test.each([
    ['the proxy says it', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['the last that is no proxy', '10.1.2.3', '198.51.100.1, 192.0.2.7, 10.9.9.9', '198.51.100.1'],
    ['what the caller itself wrote is passed over', '10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['over IPv6', 'fd00::1', '2001:db8::5', '2001:db8::5'],
    ['on a socket for both families', '::ffff:10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['a stranger is not believed', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a proxy that says nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['a proxy that says nonsense', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['nonsense behind a proxy', '10.1.2.3', 'x, 10.4.4.4', '10.4.4.4'],
    ['nothing but proxies', '10.1.2.3', '10.5.5.5', '10.5.5.5'],
  ])('%s', (_, remote, header, address) => {
    expect(addressOf(from(remote, header))).toBe(address)
  })
})
