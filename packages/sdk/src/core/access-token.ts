import * as z from 'zod'
import { AuthorizationDetail } from './authorization-details.ts'

/** An actor within its name space, and the one before it. */
export interface Actor {
  iss: string
  sub: string
  sub_profile?: string | undefined
  act?: Actor | undefined
}
export const Actor: z.ZodType<Actor> = z.object({
  iss: z.string(),
  sub: z.string(),
  sub_profile: z.string().optional(),
  get act() {
    return Actor.optional()
  },
})

/** A server that handed the call on, by which of its keys, and the token that it had for it. */
export const Forwarded = z.object({ srv: z.string(), key: z.string(), jti: z.string() })

/**
 * What an access token says (RFC 9068, and who acted by which credential); times in seconds since 1970. The authority
 * writes it, enforcement points and the authority itself read it.
 */
export const AccessTokenClaims = z.object({
  iss: z.string(),
  /** The person, where the agent acts for one; else the agent. */
  sub: z.string(),
  /** One audience: the URL of the MCP server. */
  aud: z.string(),
  exp: z.number(),
  iat: z.number(),
  jti: z.string(),
  client_id: z.string(),
  scope: z.string().default(''),
  org: z.string(),
  agent: z.string(),
  cred: z.string(),
  /** The grant by which the agent acts for the person who is then `sub`. */
  gid: z.string().optional(),
  /** What it is limited to beside its scopes (RFC 9396 §9.1). */
  authorization_details: z.array(AuthorizationDetail).optional(),
  /** The delegations by which it acts for other agents, from the root on. */
  dlg: z.array(z.string()).max(16).optional(),
  /** The token is good only with a proof by the key of this thumbprint (RFC 9449 §6.1); a binding of another kind is not. */
  cnf: z.strictObject({ jkt: z.string() }).optional(),
  /** Who acts, and who acted before (RFC 8693 §4.1): for people to read. Decisions rest on `dlg`. */
  act: Actor.optional(),
  /** By which servers the call was handed on to this audience, the first one first: each must be let do so, and no token or key be taken back. */
  fwd: z.array(Forwarded).min(1).max(16).optional(),
  /** The revision of the organization that it was issued at: whoever is behind that catches up first. */
  rev: z.number().optional(),
})
export type AccessTokenClaims = z.infer<typeof AccessTokenClaims>
