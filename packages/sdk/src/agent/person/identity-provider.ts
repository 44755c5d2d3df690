import * as z from 'zod'
import { type Asking, ask, type Proof } from '../ask.ts'
import { type Issued, JWT_BEARER, requestBy } from '../token-request.ts'
import type { Asked } from './browser.ts'

/** Has signed in at the organization's identity provider, which vouches for them (Enterprise-Managed Authorization). */
export interface ByIdentityProvider {
  identityProvider: {
    tokenEndpoint: string
    /** By which the agent is known there. */
    clientId: string
    secret?: string
  }
  /** The ID token of the person's sign-in there. */
  idToken(): Promise<string>
}

const JAG = 'urn:ietf:params:oauth:token-type:id-jag'
const Assertion = z.object({ access_token: z.string().min(1), issued_token_type: z.literal(JAG) })

/** Exchanges the sign-in for a word to this authority (ID-JAG, RFC 8693), and that for a token (RFC 7523). */
export async function askIdentityProvider(
  asking: Asking,
  { identityProvider, idToken }: ByIdentityProvider,
  { resource, scope }: Asked,
): Promise<Issued> {
  const { tokenEndpoint, clientId, secret } = identityProvider
  const there: Asking = { ...asking, clientId, proof: proofOf(secret) }
  const form = {
    ...{ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', requested_token_type: JAG },
    ...{ audience: asking.authority.issuer, resource, scope },
    ...{ subject_token: await idToken(), subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' },
  }
  const { access_token: assertion } = await ask(
    { ...there, prover: undefined },
    tokenEndpoint,
    form,
    Assertion,
    'a word to the authority',
  )
  return requestBy(asking, { grant_type: JWT_BEARER, assertion, resource, scope })
}

function proofOf(secret: string | undefined): Proof {
  return secret === undefined ? { isPublic: true } : { secret, secretIn: 'header' }
}
