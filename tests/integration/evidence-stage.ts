import { createBundleVerifier, parseTrust, type VerifyTerms } from '@valetkey/sdk/evidence'
import { openAudit, record } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { attempt, insertNames, outcome, refusal } from '../storage/audit-samples.ts'
import { POINT_JWK, ship } from '../storage/shipping.ts'
import { northwind, type Product } from './product.ts'

export const NOW = Date.UTC(2026, 8, 30)

/** Evidence in memory, with Northwind's names. */
export async function openEvidence() {
  const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) })
  await insertNames(store)
  const audit = await openAudit({ store, path: ':memory:', origin: 'auth.test/log', now: () => NOW })
  return {
    store,
    audit,
    /** Ships calls, each followed by how it ended, in shipments of so many records. */
    async shipCalls(calls: number, aTime = 10) {
      const records = Array.from({ length: calls }, (_, i) => {
        const made = i % 5 === 4 ? refusal(2 * i + 1) : attempt(2 * i + 1)
        return [made, outcome(2 * i + 2, made.id)]
      }).flat()
      for (let from = 0; from < records.length; from += aTime)
        await ship(audit, 'pnt_1', 1, records.slice(from, from + aTime))
    },
    change: (target: string, detail = {}) =>
      store.write(tx =>
        record(
          tx,
          { organization: 'org_nw', type: 'agent.suspended', actor: 'usr_maya', target, detail },
          NOW,
        ),
      ),
    async export(query: Partial<Parameters<typeof audit.proof.export>[0]> = {}): Promise<string> {
      const pieces: string[] = []
      const asked = query.log === undefined ? { organization: 'northwind', ...query } : query
      for await (const piece of await audit.proof.export(asked, 'tok_auditor')) pieces.push(piece)
      return pieces.join('')
    },
    trust: () => audit.logs.trust(),
    async [Symbol.asyncDispose]() {
      await audit.close()
      await store.close()
    },
  }
}

/** Verifies a bundle with these keys alone. */
export function verify(bundle: string | Uint8Array, trust: string[], more: Partial<VerifyTerms> = {}) {
  const verifier = createBundleVerifier({ trust: parseTrust(trust), ...more })
  verifier.push(Buffer.from(bundle))
  return verifier.end()
}

/** Northwind's calls as an enforcement point shipped them, on Acme and on Jane. */
export async function shipped(product: Product) {
  const { organization, agent, server, maya } = await northwind(product)
  await product.store.write(async tx => {
    const key = { id: 'sky_1', serverId: server.id, hash: 'h', label: '', createdAt: '', createdBy: maya.id }
    await tx
      .insertInto('serverKey')
      .values({ ...key, revokedAt: null, lastUsedAt: null })
      .execute()
    await tx
      .insertInto('enforcementPoint')
      .values({
        ...{ id: 'pnt_1', serverId: server.id, serverKeyId: 'sky_1', kind: 'guard', publicJwk: POINT_JWK },
        ...{ sealingJwk: null, epoch: 1, version: '0', sessionHash: 's', registeredAt: '', lastSeenAt: '' },
        ...{ leaseUntil: 0, recordCounter: 0, recordGaps: 0 },
      })
      .execute()
  })
  const common = {
    organization: organization.id,
    agent: agent.id,
    owner: maya.id,
    server: server.id,
    chain: [],
  }
  const at = new Date(product.now() - 60_000).toISOString()
  const records = Array.from({ length: 12 }, (_, i) => {
    const resource = i % 3 === 0 ? 'customer/jane' : 'customer/acme'
    const person = i % 4 === 0 ? maya.id : null
    const call = attempt(2 * i + 1, {
      ...common,
      at,
      resource,
      person,
      arguments: { note: `note ${i} of jane doe` },
    })
    return [call, outcome(2 * i + 2, call.id, { organization: organization.id, at })]
  }).flat()
  await ship(product.audit, 'pnt_1', 1, records)
  await product.audit.flush()
  return { organization, maya, records }
}

export async function exportOf(product: Product, organization: string): Promise<string> {
  const pieces: string[] = []
  for await (const piece of await product.audit.proof.export({ organization }, 'tok_auditor'))
    pieces.push(piece)
  return pieces.join('')
}
