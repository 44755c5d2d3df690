import { jwtVerify } from 'jose'
import * as z from 'zod'
import { oidcSettings } from '../../directory/index.ts'
import { type OidcProvider, oidcKeysOf } from './oidc.ts'
import { type RemoteKeys, SIGNATURE_ALGORITHMS } from './remote-keys.ts'
import { FederationError } from './said.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const TOLERANCE_SECONDS = 60
const OLDEST_SECONDS = 10 * 60

const Name = z.string().regex(/^\P{Cc}{1,512}$/u)
const Claims = z.object({
  jti: z.string().min(1).max(512),
  iat: z.number(),
  exp: z.number(),
  events: z.object({ [EVENT]: z.looseObject({}) }),
  sub: Name.optional(),
  sid: Name.optional(),
  nonce: z.undefined().optional(),
})

/** Whose sign-out a provider tells of: a subject, a session of it, or both. */
export interface Logout {
  jti: string
  /** Milliseconds since 1970. */
  expiresAt: number
  sub: string | undefined
  sid: string | undefined
}

/** Checks a logout token, in the order of OpenID Connect Back-Channel Logout 1.0 section 2.6. Replay is the caller's. */
export async function readLogoutToken(
  provider: OidcProvider,
  token: string,
  { now, keysAt }: { now: number; keysAt: RemoteKeys },
): Promise<Logout> {
  const { issuer, jwksUri, algorithms } = await oidcKeysOf(provider, now)
  try {
    const { payload } = await jwtVerify(token, keysAt(jwksUri), {
      issuer,
      audience: oidcSettings(provider.row).clientId,
      typ: 'logout+jwt',
      algorithms: SIGNATURE_ALGORITHMS.filter(name => algorithms?.includes(name) ?? true),
      clockTolerance: TOLERANCE_SECONDS,
      maxTokenAge: OLDEST_SECONDS,
      currentDate: new Date(now),
    })
    const { jti, exp, sub, sid } = Claims.parse(payload)
    if (sub === undefined && sid === undefined) throw new FederationError('logout_of_nobody')
    return { jti, expiresAt: (exp + TOLERANCE_SECONDS) * 1000, sub, sid }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw new FederationError('logout_token_invalid', cause)
  }
}
