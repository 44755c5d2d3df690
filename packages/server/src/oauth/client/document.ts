import type { JWK } from 'jose'
import * as z from 'zod'
import { parsePublicKey } from '../../directory/index.ts'
import { parseUrl } from './outbound-fetch.ts'
import { findRedirectFault } from './redirect-uri.ts'

/** What a client says of itself in the document that its id names (draft-ietf-oauth-client-id-metadata-document-02). */
export interface ClientDocument {
  readonly name: string
  readonly uri: string | null
  readonly redirectUris: readonly string[]
  readonly mustPush: boolean
  /** Undefined for a client that proves nothing; else where its public keys are: in the document, or at another address. */
  readonly proof: { keys: readonly JWK[] } | { keysUri: string } | undefined
}

const MOST_KEYS = 10

const Metadata = z.object({
  client_id: z.string(),
  client_name: z
    .string()
    .trim()
    .max(100)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u),
  client_uri: z
    .url({ protocol: /^https$/ })
    .max(500)
    .optional()
    .catch(undefined),
  redirect_uris: z.array(z.string()).min(1).max(20),
  response_types: z.array(z.string()).default(['code']),
  grant_types: z.array(z.string()).default(['authorization_code']),
  // Without a word on it: a client that everybody can read of has no secret.
  token_endpoint_auth_method: z.enum(['none', 'private_key_jwt']).default('none'),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MOST_KEYS) }).optional(),
  jwks_uri: z.string().optional(),
  require_pushed_authorization_requests: z.boolean().default(false),
  client_secret: z.never().optional(),
  client_secret_expires_at: z.never().optional(),
})

/** Whether a text can be a client id that names a document: an https address with a path, in its one spelling. */
export function isDocumentId(id: string): boolean {
  const url = parseUrl(id)
  return url !== undefined && url.pathname !== '/' && !/(^|\/)(\.|%2e){1,2}(\/|$)/i.test(url.pathname)
}

/** Reads a document; undefined for one that breaks a rule, or speaks of another client than the one it was fetched for. */
export async function readClientDocument(id: string, body: string): Promise<ClientDocument | undefined> {
  const parsed = Metadata.safeParse(parseJson(body))
  if (!parsed.success) return undefined
  const metadata = parsed.data
  if (metadata.client_id !== id) return undefined
  if (metadata.redirect_uris.some(uri => findRedirectFault(uri) !== undefined)) return undefined
  if (!metadata.response_types.includes('code') || !metadata.grant_types.includes('authorization_code'))
    return undefined
  const proof = await readProof(metadata)
  if (proof === null) return undefined
  return {
    name: metadata.client_name,
    uri: metadata.client_uri ?? null,
    redirectUris: [...new Set(metadata.redirect_uris)],
    mustPush: metadata.require_pushed_authorization_requests,
    proof,
  }
}

/** Null where it says that it has keys, and there is no good one. */
async function readProof({
  token_endpoint_auth_method: method,
  jwks,
  jwks_uri: keysUri,
}: z.infer<typeof Metadata>): Promise<ClientDocument['proof'] | null> {
  if (method === 'none') return undefined
  if ((jwks === undefined) === (keysUri === undefined)) return null
  if (keysUri !== undefined) return parseUrl(keysUri) ? { keysUri } : null
  const keys = await readKeys(jwks)
  return keys && keys.length > 0 ? { keys } : null
}

const KeySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MOST_KEYS) })
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

/** The keys of a set that a client may prove itself by. A set that gives a private key away is good for nothing. */
export async function readKeys(set: unknown): Promise<JWK[] | undefined> {
  const parsed = KeySet.safeParse(set)
  if (!parsed.success) return undefined
  const keys: JWK[] = []
  for (const key of parsed.data.keys) {
    if (PRIVATE.some(member => member in key)) return undefined
    if (key['use'] !== undefined && key['use'] !== 'sig') continue
    const found = await parsePublicKey(key).catch(() => undefined)
    if (found) keys.push(found.jwk)
  }
  return keys
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
