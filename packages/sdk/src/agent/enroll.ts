import { AppError } from '../core/index.ts'
import { type AgentKey, generateAgentKey } from './key.ts'
import { type KeyStore, openKeyStore, type StoredIdentity } from './key-store.ts'

/** What registers a key: `createClient(api, …)` of `@valetkey/sdk/contract`, with a token that may. */
export interface Registry {
  credentials: {
    create(input: {
      agent: string
      publicKey: AgentKey['publicKey'] & { kty: 'EC' | 'OKP' | 'RSA' }
      label: string
      organization?: string
    }): Promise<{ clientId: string }>
  }
}

/**
 * Gives an agent a key of its own: made here, its public part registered, its private part kept here and nowhere else.
 * An agent that has one keeps it.
 * @example await enrollAgent(createClient(api, { baseUrl: issuer, token }), { issuer, agent: 'support-bot' })
 */
export async function enrollAgent(
  registry: Registry,
  options: { issuer: string; agent: string; organization?: string; label?: string; store?: KeyStore },
): Promise<StoredIdentity> {
  const { issuer, agent, organization, label = 'enrolled' } = options
  const store = options.store ?? (await openKeyStore())
  const known = await store.load(agent)
  if (known?.issuer === issuer) return known
  if (known)
    throw new AppError(
      'conflict.exists',
      `${agent} has a key for ${known.issuer} in ${store.place}: move it away first.`,
    )
  const { privateKey, publicKey } = await generateAgentKey()
  const { clientId } = await registry.credentials.create({
    agent,
    publicKey: publicKey as AgentKey['publicKey'] & { kty: 'EC' },
    label,
    ...(organization !== undefined && { organization }),
  })
  const identity = { issuer, clientId, key: privateKey }
  await store.save(agent, identity)
  return identity
}
