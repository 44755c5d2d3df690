import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { isOwnAddress, isPublicAddress } from './public-address.ts'

export interface ReachOptions {
  /** Hosts (with a port where it is not the scheme's) that may lie on this machine or in this network. */
  privateHosts: readonly string[]
  /** This node is heard on this machine alone: whoever can ask it is here too, and may name what is here. */
  isOwnMachine?: boolean | undefined
  /** All addresses of a host name. */
  resolve?: ((host: string) => Promise<string[]>) | undefined
}

export interface NotReachable {
  ok: false
  reason: 'address' | 'host_unknown' | 'timeout'
}

/** The addresses behind a URL that somebody has named, if this node may connect to them. */
export type Reach = (
  url: URL,
  limit: AbortSignal,
) => Promise<{ ok: true; addresses: string[] } | NotReachable>

export function createReach({ privateHosts, isOwnMachine, resolve = resolveAll }: ReachOptions): Reach {
  const isOpen = (address: string) => isPublicAddress(address) || (isOwnMachine && isOwnAddress(address))
  return async (url, limit) => {
    const addresses = await Promise.race([addressesOf(url, resolve), whenAborted(limit)])
    if (!addresses || addresses.length === 0)
      return { ok: false, reason: limit.aborted ? 'timeout' : 'host_unknown' }
    const isAllowed = privateHosts.includes(url.host) || addresses.every(isOpen)
    return isAllowed ? { ok: true, addresses } : { ok: false, reason: 'address' }
  }
}

/** Connects to what was looked up and checked: the name is not looked up again. */
export function pinnedLookup(addresses: readonly string[]): LookupFunction {
  const pinned = addresses.map(address => ({ address, family: isIP(address) }))
  return (_host, { all }, done) => {
    const [first] = pinned
    if (all) done(null, pinned)
    else done(null, first?.address ?? '', first?.family)
  }
}

/** A host that is an address stands for itself; a name is looked up once. */
async function addressesOf(
  { hostname }: URL,
  resolve: (host: string) => Promise<string[]>,
): Promise<string[]> {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) === 0 ? resolve(hostname).catch(() => []) : [bare]
}

async function resolveAll(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
}
