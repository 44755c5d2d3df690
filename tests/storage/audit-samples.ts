import { type AttemptRecord, type OutcomeRecord, writeLegs } from '@valetkey/sdk/core'
import type { Store } from '../../packages/server/src/store/index.ts'
import { POINT_JWK } from './shipping.ts'

const writerOf = (counter: number, epoch: number) => ({
  ...{ counter, epoch, point: 'pnt_1' },
  previous: Math.max(0, counter - 1),
})

/** A permitted call of Northwind's support bot; name what matters to the test. Members are in order, as points write them. */
export function attempt(counter: number, fields: Partial<AttemptRecord> = {}, epoch = 1): AttemptRecord {
  return {
    agent: 'agt_support',
    agentName: 'support-bot',
    arguments: { customer: 'acme' },
    assignments: [{ createdBy: 'usr_maya', id: 'asg_1', role: 'billing-reader' }],
    at: new Date(Date.UTC(2026, 8, 1) + counter * 1000).toISOString(),
    chain: ['agt_support'],
    client: 'cli_1',
    credential: 'crd_1',
    decision: 'permit',
    definition: 'sha256-x',
    detail: null,
    enforced: true,
    grant: null,
    id: `dec_${String(counter).padStart(8, '0')}`,
    kind: 'tool',
    legs: writeLegs(null),
    method: 'tools/call',
    mode: 'enforce',
    organization: 'org_nw',
    owner: 'usr_maya',
    permission: 'invoices:read',
    person: null,
    reason: 'permitted',
    resource: 'customer/acme',
    revision: { catalogue: 1, organization: 1 },
    scopes: ['invoices:*'],
    server: 'srv_billing',
    token: 'jti-1',
    tool: 'get_invoice',
    trace: null,
    type: 'attempt',
    v: 1,
    writer: writerOf(counter, epoch),
    ...fields,
  }
}

export function refusal(counter: number, fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return attempt(counter, {
    decision: 'deny',
    reason: 'agent_lacks_permission',
    detail: 'invoices:delete',
    legs: writeLegs('agent'),
    assignments: [],
    tool: 'delete_invoice',
    ...fields,
  })
}

export function outcome(counter: number, id: string, fields: Partial<OutcomeRecord> = {}): OutcomeRecord {
  return {
    v: 1,
    type: 'outcome',
    id,
    at: new Date(Date.UTC(2026, 8, 1) + counter * 1000).toISOString(),
    organization: 'org_nw',
    outcome: 'ok',
    durationMs: 12.5,
    writer: writerOf(counter, 1),
    ...fields,
  }
}

/** The names behind the ids of the samples, and the enforcement point that ships them. */
export async function insertNames(store: Store): Promise<void> {
  const createdAt = '2026-09-01T00:00:00.000Z'
  const organizationId = 'org_nw'
  await store.write(async tx => {
    await tx
      .insertInto('organization')
      .values({
        id: organizationId,
        seq: 1,
        slug: 'northwind',
        name: 'Northwind',
        status: 'active',
        createdAt,
      })
      .execute()
    await tx
      .insertInto('principal')
      .values([
        {
          organizationId,
          seq: 1,
          id: 'usr_maya',
          kind: 'user',
          externalId: 'maya@northwind.dev',
          name: 'Maya',
          status: 'active',
          createdAt,
        },
        {
          organizationId,
          seq: 2,
          id: 'agt_support',
          kind: 'agent',
          externalId: 'support-bot',
          name: 'support-bot',
          status: 'active',
          createdAt,
        },
      ])
      .execute()
    await tx
      .insertInto('server')
      .values({
        id: 'srv_billing',
        name: 'billing',
        url: 'https://billing.example/mcp',
        mode: 'enforce',
        status: 'active',
        createdAt,
      })
      .execute()
    await tx
      .insertInto('serverKey')
      .values({
        id: 'sky_1',
        serverId: 'srv_billing',
        hash: 'h',
        label: '',
        createdAt,
        createdBy: 'usr_maya',
        revokedAt: null,
        lastUsedAt: null,
      })
      .execute()
    await tx
      .insertInto('enforcementPoint')
      .values({
        id: 'pnt_1',
        serverId: 'srv_billing',
        serverKeyId: 'sky_1',
        kind: 'guard',
        publicJwk: POINT_JWK,
        sealingJwk: null,
        epoch: 1,
        version: '0',
        sessionHash: 's',
        registeredAt: createdAt,
        lastSeenAt: createdAt,
        leaseUntil: 0,
        recordCounter: 0,
        recordGaps: 0,
      })
      .execute()
  })
}

/** The credential by which the agent of the samples proves itself. */
export async function insertCredential(store: Store, id: string): Promise<void> {
  const of = { organizationId: 'org_nw', createdAt: '2026-09-01T00:00:00.000Z' }
  const agentId = 'agt_support'
  const client = { ...of, id: 'cli_1', agentId, kind: 'pre-registered', legacyAudience: 0 } as const
  await store.write(async tx => {
    await tx
      .insertInto('agent')
      .values({
        ...{ id: agentId, organizationId: of.organizationId, ownerId: 'usr_maya' },
        ...{ purpose: '', kind: 'both', ceiling: '[]' },
      })
      .execute()
    await tx.insertInto('client').values(client).execute()
    await tx
      .insertInto('credential')
      .values({ ...of, id, agentId, clientId: client.id, kind: 'key', label: '', createdBy: 'usr_maya' })
      .execute()
  })
}
