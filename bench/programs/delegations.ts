import { api as contract, createClient } from '@valetkey/sdk/contract'
import { isoTime, newId } from '@valetkey/sdk/core'
import { startDevAuthority } from '../../packages/server/src/cli/run/dev-authority.ts'
import type { Store, Tx } from '../../packages/server/src/store/index.ts'
import { serve, settings } from '../child.ts'

/** Who acts by a delegation that lies below two others. */
export interface Delegate {
  chain: string[]
  agent: string
  credential: string
}

/** An authority with a tree of delegations: one at the root, a hundred below it, and a hundred below each of these. */
export interface Forest {
  url: string
  token: string
  serverKey: string
  organization: string
  root: string
  branches: string[]
  /** How many leaves each branch has; they follow one another. */
  wide: number
  leaves: Delegate[]
}

const WIDE = 100

const { authority, token } = await startDevAuthority({
  ...settings<{ directory: string; port: number }>(),
  logLevel: 'error',
})
const api = createClient(contract, { baseUrl: authority.url, token: () => token })
const { id: organization } = await api.organizations.create({ slug: 'bench', name: 'Bench' })
await api.people.create({ email: 'ada@bench.test', name: 'Ada' })
await api.permissions.create({ slug: 'reports:read', risk: 'read' })
await api.roles.create({ slug: 'reader', permissions: ['reports:read'] })
await api.servers.create({ name: 'reports', url: 'http://127.0.0.1:9/mcp' })
await api.tools.map({
  ...{ server: 'reports', kind: 'prompt', name: 'report', permission: 'reports:read', risk: 'read' },
})
const { key } = await api.serverKeys.create({ server: 'reports', label: 'bench' })
const agents: { id: string; credential: string }[] = []
for (let i = 0; i < 4; i++) {
  const agent = { name: `bot-${i}`, owner: 'ada@bench.test', ceiling: ['reports:*'] }
  const { id } = await api.agents.create(agent)
  await api.assignments.create({ principal: agent.name, role: 'reader' })
  const credential = await api.credentials.create({ agent: id, kind: 'secret', label: 'bench' })
  agents.push({ id, credential: credential.id })
}
const rule = await api.delegationRules.put({ from: 'organization', to: 'organization' })
serve(await plant(authority.store))

/** Ten thousand delegations by way of the API would take minutes; how they came to be makes no difference here. */
async function plant(store: Store): Promise<Forest> {
  const forest: Forest = {
    ...{ url: authority.url, token, serverKey: key ?? '', organization, root: '', wide: WIDE },
    ...{ branches: [], leaves: [] },
  }
  const last = agents.at(-1) ?? { id: '', credential: '' }
  await store.write(async tx => {
    forest.root = await insert(tx, [])
    for (let i = 0; i < WIDE; i++) {
      const branch = await insert(tx, [forest.root])
      forest.branches.push(branch)
      for (let n = 0; n < WIDE; n++) {
        const leaf = await insert(tx, [forest.root, branch])
        forest.leaves.push({
          chain: [forest.root, branch, leaf],
          agent: last.id,
          credential: last.credential,
        })
      }
    }
  })
  return forest
}

async function insert(tx: Tx, above: readonly string[]): Promise<string> {
  const now = Date.now()
  const id = newId('delegation', now)
  const [from, to] = [agents[above.length], agents[above.length + 1]]
  await tx
    .insertInto('delegation')
    .values({
      ...{ id, organizationId: organization, delegatorId: from?.id ?? '', delegateId: to?.id ?? '' },
      ...{
        parentId: above.at(-1) ?? null,
        grantId: null,
        ruleId: rule.id,
        credentialId: from?.credential ?? '',
      },
      ...{
        scopes: '["reports:read"]',
        resources: '[1]',
        condition: null,
        hops: 2 - above.length,
        purpose: '',
      },
      ...{ handleHash: id, handleExpiresAt: now, createdAt: isoTime(now), activatedAt: isoTime(now) },
      ...{ expiresAt: isoTime(now + 3_600_000), endedAt: null, ending: null },
    })
    .execute()
  const path = [...above, id].map((ancestorId, position) => ({ delegationId: id, position, ancestorId }))
  await tx.insertInto('delegationPath').values(path).execute()
  return id
}
