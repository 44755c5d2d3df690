import { decodeJwt } from 'jose'
import { clientKeyOf } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { GrantLookup } from '../grant/acting-grant.ts'
import { findFamily, type RefreshKey, readRefreshToken } from '../grant/refresh-family.ts'
import { issuerIn } from '../issuer/assertion.ts'
import { findIssuers } from '../issuer/issuers.ts'
import { findBySecret } from '../waiting/waiting-request.ts'
import type { Caller } from './caller.ts'

interface Options {
  store: Store
  findCaller(clientKey: string): Promise<Caller | undefined>
  findGrant: GrantLookup
  /** The grant that a code was made under. */
  grantOfCode(code: string): Promise<string | undefined>
  refreshKey: RefreshKey
}

/**
 * Finds the agent that stands behind a client known by a document. Each organization has its own, so it is what the request brings that
 * says which one is meant: a code, what it waits with, a refresh token, or a token to be taken back or asked about. What is read here is proven later.
 */
export function createDocumentCallerLookup(
  options: Options,
): (clientId: string, params: Record<string, unknown>) => Promise<Caller | undefined> {
  return async (clientId, params) => {
    const organization = await organizationOf(options, params)
    return organization === undefined ? undefined : options.findCaller(clientKeyOf(clientId, organization))
  }
}

async function organizationOf(
  { store, findGrant, grantOfCode, refreshKey }: Options,
  params: Record<string, unknown>,
): Promise<string | undefined> {
  const { code, device_code: waits } = params
  if (typeof code === 'string' || typeof waits === 'string') {
    const grant =
      typeof code === 'string' ? await grantOfCode(code) : await grantOfWaiting(store, String(waits))
    return grant === undefined ? undefined : (await findGrant(grant))?.organization
  }
  if (typeof params['assertion'] === 'string') return organizationOfIssuer(store, params['assertion'])
  for (const name of ['refresh_token', 'token', 'subject_token']) {
    const value = params[name]
    if (typeof value !== 'string') continue
    const refresh = readRefreshToken(refreshKey, value)
    if (refresh) return (await findFamily(store, refresh.family))?.organizationId
    return organizationIn(value)
  }
  return undefined
}

async function grantOfWaiting(store: Store, secret: string): Promise<string | undefined> {
  const { answer = null } = (await findBySecret(store, secret)) ?? {}
  return answer === null || typeof answer === 'string' ? undefined : answer.grant
}

/** The one organization that trusts whoever says something of a person; of several, none is meant. */
async function organizationOfIssuer(store: Store, assertion: string): Promise<string | undefined> {
  const issuer = issuerIn(assertion)
  const [only, ...others] = issuer === undefined ? [] : await findIssuers(store, issuer, 'enterprise')
  return others.length === 0 ? only?.organization : undefined
}

function organizationIn(token: string): string | undefined {
  try {
    const { org } = decodeJwt(token)
    return typeof org === 'string' ? org : undefined
  } catch {
    return undefined
  }
}
