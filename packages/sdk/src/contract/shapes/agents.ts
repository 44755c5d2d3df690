import * as z from 'zod'
import { Time } from './words.ts'

export const Agent = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  owner: z.string(),
  ownerEmail: z.string(),
  purpose: z.string(),
  kind: z.enum(['autonomous', 'user_authorized', 'both']),
  status: z.enum(['active', 'suspended', 'retired', 'pending']),
  ceiling: z.array(z.string()),
  /** People give it all that it asks for, or nothing. */
  allOrNothing: z.boolean(),
  /** Its tokens must be bound to a key that it proves to hold with every call (DPoP). */
  dpop: z.boolean(),
  createdAt: Time,
})
/** A public key as a JWK (RFC 7517). A private member is refused: the key stays with the agent. */
export const PublicJwk = z
  .looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']), crv: z.string().optional(), alg: z.string().optional() })
  .refine(jwk => !['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].some(member => member in jwk), {
    message: 'This is a private key. Send the public part only, and treat this key as leaked.',
  })
export const Credential = z.object({
  id: z.string(),
  agent: z.string(),
  clientId: z.string(),
  /** `public` proves nothing: it stands for a client that cannot keep a secret. `document`: as the client's metadata document says. `workload`: as a trusted issuer says. */
  kind: z.enum(['secret', 'key', 'public', 'document', 'workload']),
  label: z.string(),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable(),
  lastUsedFrom: z.string().nullable(),
  status: z.enum(['live', 'expired', 'revoked']),
})
