import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/**
 * Where a request comes from. The connection says so, unless it is one of a trusted proxy: then it is the last address
 * in `X-Forwarded-For` that is not a trusted proxy's, since everything left of that one was written by the caller.
 */
export function createAddressOf(trusted: readonly string[]): (request: IncomingMessage) => string {
  if (trusted.length === 0) return connectionOf
  const proxies = new BlockList()
  for (const network of trusted) {
    const { address, family, bits } = parseNetwork(network)
    proxies.addSubnet(address, bits, family)
  }
  const isTrusted = (address: string) => proxies.check(address, familyOf(address))
  /** It is asked for several times on the way of a request. */
  const known = new WeakMap<IncomingMessage, string>()
  const find = (request: IncomingMessage) => {
    let address = connectionOf(request)
    const forwarded = request.headers['x-forwarded-for']
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? '')).split(',')
    while (isIP(address) !== 0 && isTrusted(address)) {
      const before = plain(hops.pop()?.trim() ?? '')
      if (isIP(before) === 0) break
      address = before
    }
    return address
  }
  return request => {
    const address = known.get(request) ?? find(request)
    known.set(request, address)
    return address
  }
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
export function isNetwork(text: string): boolean {
  const { address, family, bits } = parseNetwork(text)
  return isIP(address) !== 0 && Number.isInteger(bits) && bits >= 1 && bits <= WIDTH[family]
}

const WIDTH = { ipv4: 32, ipv6: 128 } as const

function parseNetwork(text: string): { address: string; family: 'ipv4' | 'ipv6'; bits: number } {
  const [address = '', length] = text.split('/', 2)
  const family = familyOf(address)
  return { address, family, bits: length === undefined ? WIDTH[family] : Number(length) }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

function connectionOf(request: IncomingMessage): string {
  return plain(request.socket.remoteAddress ?? 'unknown')
}

/** An IPv4 address has one spelling, also on a socket that takes both families. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
