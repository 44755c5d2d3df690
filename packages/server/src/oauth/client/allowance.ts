const MAX_ADDRESSES = 10_000

/**
 * Whether one more is allowed from an address: so many within a time, and of addresses so many are remembered. Whoever
 * holds one address of IPv6 holds 2⁶⁴ of them: these count as one.
 */
export type Allowance = (address: string) => boolean

export function createAllowance(limit: { most: number; windowMs: number; now(): number }): Allowance {
  const { most, windowMs, now } = limit
  let began = now()
  const counts = new Map<string, number>()
  return address => {
    if (now() - began >= windowMs || counts.size >= MAX_ADDRESSES) {
      counts.clear()
      began = now()
    }
    const network = networkOf(address)
    const count = (counts.get(network) ?? 0) + 1
    counts.set(network, count)
    return count <= most
  }
}

/** The first four groups of an IPv6 address, written out; any other address as it is. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address
  const [before = '', after] = address.toLowerCase().split('::')
  const groups = (text: string) => text.split(':').filter(group => group !== '')
  const [left, right] = [groups(before), groups(after ?? '')]
  const between = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  return [...left, ...between, ...right]
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
