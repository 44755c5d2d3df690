import { isoTime, newId } from '@valetkey/sdk/core'
import { errors, type KoaContext } from 'oidc-provider'
import type { Store } from '../../store/index.ts'
import { type IssuedClaims, readIssuedToken, type TokenWriter } from '../token/access-token.ts'
import { type ProofOptions, provenKey } from '../token/proof-of-possession.ts'
import { available } from '../trouble.ts'
import { findReceiver, type ReceiverClient } from './receiver.ts'

/** What a receiver of security events may do with its stream (CAEP interoperability profile 1.0 section 2.7.2). */
export const SIGNAL_SCOPES = ['ssf.read', 'ssf.manage'] as const
export type SignalScope = (typeof SIGNAL_SCOPES)[number]

const TOKEN_SECONDS = 900

/** The resource that tokens of receivers are for: where streams are managed. */
export function signalResource(issuer: string): string {
  return `${issuer}/signals`
}

interface Options extends ProofOptions {
  writeToken: TokenWriter
  addressOf: (request: KoaContext['req']) => string
}

/** Gives a receiver what it asks for of the two scopes; both where it asks for none. There is one resource that it could name. */
export async function issueReceiverToken(
  options: Options,
  ctx: KoaContext,
  receiver: ReceiverClient,
): Promise<void> {
  const { issuer, journal, writeToken, addressOf, now } = options
  const { resource = signalResource(issuer), scope } = ctx.oidc.params
  if (resource !== signalResource(issuer)) throw new errors.InvalidTarget(undefined, 'resource_unknown')
  const { clientId, organization: org, credential, catalogueRevision } = receiver
  const key = await provenKey(options, ctx)
  const iat = Math.floor(now() / 1000)
  const claims: IssuedClaims = {
    ...{ iss: issuer, sub: clientId, aud: resource, exp: iat + TOKEN_SECONDS, iat },
    ...{ jti: newId('accessToken', now()), client_id: clientId, scope: grantedOf(scope), org },
    cred: credential.id,
  }
  const { jti, exp } = claims
  const detail = {
    ...{ client: clientId, credential: credential.id, audience: resource, scope: claims.scope },
    ...{ expiresAt: isoTime(exp * 1000), address: addressOf(ctx.req) },
  }
  const event = { organization: org, type: 'token.issued', actor: clientId, target: jti, detail }
  await available(journal.record(event))
  ctx.body = {
    access_token: await available(writeToken(claims, key, catalogueRevision)),
    ...{ token_type: 'Bearer', expires_in: TOKEN_SECONDS, scope: claims.scope },
  }
}

function grantedOf(scope: unknown): string {
  const wanted = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
  const granted = SIGNAL_SCOPES.filter(one => wanted.length === 0 || wanted.includes(one))
  if (granted.length > 0) return granted.join(' ')
  throw new errors.InvalidScope('none of the requested scopes can be granted', undefined, 'scope_foreign')
}

/**
 * Whose a bearer token is that is for streams of security events, and what it lets its receiver do. Undefined for any other token,
 * one that was taken back or has ended, and where the receiver or the secret by which it got the token is gone.
 */
export async function readReceiverToken(
  { store, issuer, now }: { store: Store; issuer: string; now(): number },
  token: string,
): Promise<{ receiver: string; scopes: readonly string[] } | undefined> {
  const issued = await readIssuedToken(store, issuer, token, now())
  if (issued?.claims.aud !== signalResource(issuer)) return undefined
  const { sub, agent, cred, jti, scope } = issued.claims
  // Somebody may have registered an MCP server under this address: what agents get for it counts for nothing here.
  const receiver = agent === undefined ? await findReceiver(store, sub) : undefined
  if (receiver?.credential.id !== cred) return undefined
  const takenBack = await store.db
    .selectFrom('revokedToken')
    .select('id')
    .where('id', '=', jti)
    .where('organizationId', '=', receiver.organization)
    .executeTakeFirst()
  return takenBack ? undefined : { receiver: sub, scopes: scope.split(' ') }
}
