import { NODATA, NOTFOUND, Resolver } from 'node:dns/promises'
import { AppError } from '@valetkey/sdk/core'
import type { ResolveTxt } from '../directory/index.ts'

const TIMEOUT_MS = 3_000

/** Asks for TXT records at these servers, or at those that the machine is set up with. */
export function createResolveTxt(servers: readonly string[]): ResolveTxt {
  return async name => {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 })
    if (servers.length > 0) resolver.setServers([...servers])
    try {
      return (await resolver.resolveTxt(name)).map(parts => parts.join(''))
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === NOTFOUND || code === NODATA) return []
      throw new AppError('dns.unavailable', `DNS does not answer for ${name} (${code}).`, { cause })
    }
  }
}
