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
    list(input: {
      agent: string
      organization?: string
    }): Promise<{ items: { kind: string; clientId: string }[] }>
  }
}

interface Enrollment {
  issuer: string
  agent: string
  organization?: string
  label?: string
  store?: KeyStore
}

type Enrolled = StoredIdentity & { clientId: string }

/**
 * Gives an agent a key of its own: made here, its public part registered, its private part kept here and nowhere else.
 * An agent that has one keeps it.
 * @example await enrollAgent(createClient(api, { baseUrl: issuer, token }), { issuer, agent: 'support-bot' })
 */
export async function enrollAgent(registry: Registry, options: Enrollment): Promise<Enrolled> {
  const { issuer, agent } = options
  const store = options.store ?? (await openKeyStore())
  const known = await store.load(agent)
  if (known && known.issuer !== issuer)
    throw new AppError(
      'conflict.exists',
      `${agent} has a key for ${known.issuer} in ${store.place}: move it away first.`,
    )
  if (known && known.clientId !== null) return { ...known, clientId: known.clientId }
  // Kept before it is registered: a credential whose key is lost would be nobody's.
  const key = known?.key ?? (await generateAgentKey()).privateKey
  if (!known) await store.save(agent, { issuer, clientId: null, key })
  const clientId = await (known ? registerAgain : register)(registry, options, key).catch(async fault => {
    if (!known && isRefusal(fault)) await store.remove(agent)
    throw fault
  })
  const identity = { issuer, clientId, key }
  await store.save(agent, identity)
  return identity
}

/** Gives the client that the key is of. */
async function register(
  { credentials }: Registry,
  { agent, organization, label = 'enrolled' }: Enrollment,
  key: AgentKey['privateKey'],
): Promise<string> {
  const { d: _private, ...publicKey } = key
  const { clientId } = await credentials.create({
    agent,
    publicKey: publicKey as AgentKey['publicKey'] & { kty: 'EC' },
    label,
    ...(organization !== undefined && { organization }),
  })
  return clientId
}

/** The same where it was tried before, and the answer may not have got here. */
async function registerAgain(registry: Registry, options: Enrollment, key: AgentKey['privateKey']) {
  const { agent, organization } = options
  try {
    return await register(registry, options, key)
  } catch (fault) {
    if (!(fault instanceof Error && 'code' in fault && fault.code === 'conflict.exists')) throw fault
    // All keys of an agent are of one client.
    const where = { agent, ...(organization !== undefined && { organization }) }
    const registered = (await registry.credentials.list(where)).items.find(({ kind }) => kind === 'key')
    if (!registered) throw fault
    return registered.clientId
  }
}

/** Nothing was made; of any other failure that cannot be known. */
function isRefusal(fault: unknown): boolean {
  const status = fault instanceof Error && 'status' in fault ? Number(fault.status) : 0
  return status >= 400 && status < 500
}
