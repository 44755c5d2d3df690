import ipaddr from 'ipaddr.js'

const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3')

/**
 * Whether an address belongs to the public internet: nothing that lies on this machine, in this network, or in any range
 * set aside for a special use (RFC 6890), be it written as IPv4, IPv6, or one within the other.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_V6)
}

/** Whether an address is this machine itself. */
export function isOwnAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}
