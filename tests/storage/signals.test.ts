import { isoTime, newId } from '@valetkey/sdk/core'
import { expect, test, vi } from 'vitest'
import { prune } from '../../packages/server/src/feed/index.ts'
import { createFetch, createReach } from '../../packages/server/src/outbound/index.ts'
import {
  createReceiver,
  createSignals,
  listReceivers,
  listSignalKeys,
  rotateSignalKey,
  startStream,
  updateStream,
} from '../../packages/server/src/signals/index.ts'
import { beginChange, type Store } from '../../packages/server/src/store/index.ts'
import { openReceiverPartner } from '../integration/signals/receiver-partner.ts'
import { describeOnBoth } from './databases.ts'

const ISSUER = 'https://auth.test'
const BY = { actor: 'tok_admin', now: Date.now() }
const now = Date.now

/** A node, as far as security events go. */
function openNode(
  store: Store,
  onFault = (fault: unknown): void => {
    throw fault
  },
) {
  return createSignals({
    ...{ store, issuer: ISSUER, now, pollMs: 50, addressOf: () => 'somewhere' },
    guess: { refuseIfMany: () => undefined, failed: () => undefined },
    fetch: createFetch(createReach({ privateHosts: [] })),
    readBody: request => request.json(),
    onFault,
  })
}

async function addOrganization(store: Store, slug = 'northwind', seq = 1): Promise<string> {
  const id = newId('organization')
  await store.db
    .insertInto('organization')
    .values({ id, seq, slug, name: slug, status: 'active', createdAt: isoTime(now()) })
    .execute()
  return id
}

/** Takes tokens back, each in a change of its own. */
async function revoke(store: Store, organization: string, jtis: readonly string[]): Promise<void> {
  for (const id of jtis)
    await store.write(async tx => {
      const change = await beginChange(tx, organization, BY)
      await change.log({ fact: 'revoked_token', id, value: { id, expiresAt: now() + 60_000 } })
    })
}

const named = (from: number, many: number) => Array.from({ length: many }, (_, i) => `atk_${from + i}`)

describeOnBoth('security events', open => {
  test('each change becomes one event, whichever node is there, and none is lost over stops and outages', async () => {
    const store = await open()
    const partner = await openReceiverPartner()
    const organization = await addOrganization(store)
    const ctx = { store, now, actor: { id: 'tok_admin', name: 'admin', permissions: ['*'] } }
    const input = { organization, name: 'siem', pushOrigin: partner.origin, subjects: 'iss_sub' as const }
    const { audience } = await createReceiver(ctx, input, ISSUER)
    await startStream(
      ctx,
      {
        ...{ organization, receiver: 'siem', endpoint: `${partner.origin}/events`, description: '' },
      },
      ISSUER,
    )
    const reader = openNode(store)
    const keys = await reader.app.request('/signals/jwks.json')
    partner.know((await keys.json()) as never, audience)
    await reader.close()

    // Nobody runs; then two nodes at once; then one of them stops amid what is pushed; then the receiver is away.
    await revoke(store, organization, named(0, 20))
    const nodes = [openNode(store), openNode(store)]
    await revoke(store, organization, named(20, 20))
    await nodes[0]?.close()
    await revoke(store, organization, named(40, 20))
    let isAway = true
    partner.say(() => (isAway ? { status: 503 } : { status: 202 }))
    await revoke(store, organization, named(60, 20))
    await nodes[1]?.close()
    isAway = false
    const last = openNode(store)
    const subjects = () => partner.told.map(({ sub_id }) => sub_id['jti'] as string)
    await vi.waitFor(() => expect(new Set(subjects()).size).toBe(80), { timeout: 20_000, interval: 50 })
    expect([...new Set(subjects())]).toEqual(named(0, 80))
    // Sent twice is one that a node sent and could not note: the same token, by its jti.
    expect(new Set(partner.told.map(({ jti }) => jti)).size).toBe(80)
    await last.close()
    await partner.close()
  })

  test('a change that cannot be told for one organization holds no other one up', async () => {
    const store = await open()
    const ctx = { store, now, actor: { id: 'tok_admin', name: 'admin', permissions: ['*'] } }
    const organizations = [await addOrganization(store), await addOrganization(store, 'contoso', 2)]
    for (const organization of organizations) {
      await createReceiver(ctx, { organization, name: 'siem', subjects: 'iss_sub' }, ISSUER)
      await startStream(ctx, { organization, receiver: 'siem', description: '' }, ISSUER)
      await revoke(store, organization, ['atk_one'])
    }
    // Those of the first are read first.
    const [broken = '', sound = ''] = organizations.toSorted()
    await store.db
      .updateTable('changeLog')
      .set({ value: '"of a later version"' })
      .where('organizationId', '=', broken)
      .where('fact', '=', 'revoked_token')
      .execute()
    const faults: unknown[] = []
    const node = openNode(store, fault => void faults.push(fault))
    const waiting = async (organization: string) =>
      (await listReceivers(ctx, { organization, limit: 10 })).items.map(({ stream }) => stream?.waiting)
    await vi.waitFor(async () => expect(await waiting(sound)).toEqual([1]), { timeout: 10_000 })
    expect(await waiting(broken)).toEqual([0])
    expect(faults.length).toBeGreaterThan(0)
    await node.close()
  })

  test('a stream is told of what happens while it is enabled, however late that is collected', async () => {
    const store = await open()
    const organization = await addOrganization(store)
    const ctx = { store, now, actor: { id: 'tok_admin', name: 'admin', permissions: ['*'] } }
    const begin = async (name: string) => {
      await createReceiver(ctx, { organization, name, subjects: 'iss_sub' }, ISSUER)
      await startStream(ctx, { organization, receiver: name, description: '' }, ISSUER)
    }
    const set = (status: 'enabled' | 'paused' | 'disabled') =>
      updateStream(ctx, { organization, receiver: 'crm', status, reason: status }, ISSUER)
    // No node runs: nothing is collected before the last of it.
    await begin('crm')
    await revoke(store, organization, ['atk_before'])
    await set('disabled')
    await revoke(store, organization, ['atk_disabled'])
    await set('enabled')
    await revoke(store, organization, ['atk_enabled'])
    await set('paused')
    await revoke(store, organization, ['atk_paused'])
    // One that is opened now has nothing from before, though others are behind.
    await begin('siem')
    await set('enabled')
    await revoke(store, organization, ['atk_last'])
    const node = openNode(store)
    const told = async (receiver: string) => {
      const rows = await store.db
        .selectFrom('signalEvent')
        .innerJoin('signalStream', 'signalStream.id', 'signalEvent.streamId')
        .innerJoin('signalReceiver', 'signalReceiver.id', 'signalStream.receiverId')
        .where('signalReceiver.name', '=', receiver)
        .where('signalEvent.isControl', '=', 0)
        .select('signalEvent.body')
        .orderBy('signalEvent.sequence')
        .execute()
      return rows.map(({ body }) => (JSON.parse(body) as { sub_id: { jti: string } }).sub_id.jti)
    }
    await vi.waitFor(async () => expect(await told('siem')).toEqual(['atk_last']), { timeout: 10_000 })
    expect(await told('crm')).toEqual(['atk_enabled', 'atk_paused', 'atk_last'])
    await node.close()
  })

  test('what is not told yet is not pruned', async () => {
    const store = await open()
    const organization = await addOrganization(store)
    const ctx = { store, now, actor: { id: 'tok_admin', name: 'admin', permissions: ['*'] } }
    await createReceiver(ctx, { organization, name: 'crm', subjects: 'iss_sub' }, ISSUER)
    await startStream(ctx, { organization, receiver: 'crm', description: '' }, ISSUER)
    await revoke(store, organization, named(0, 3))
    await prune(store, now() + 30 * 24 * 3600 * 1000)
    const node = openNode(store)
    const waiting = () => store.db.selectFrom('signalEvent').selectAll().execute()
    await vi.waitFor(async () => expect(await waiting()).toHaveLength(3), { timeout: 10_000 })
    await node.close()
    await prune(store, now() + 30 * 24 * 3600 * 1000)
    expect(await store.db.selectFrom('changeLog').selectAll().execute()).toEqual([])
  })

  test('a key is published for a day after the last event that it signed, however often keys are rotated', async () => {
    const store = await open()
    let at = now()
    const ctx = { store, now: () => at, actor: { id: 'tok_admin', name: 'admin', permissions: ['*'] } }
    const [first] = (await listSignalKeys(ctx)).items
    const kids = async () => (await listSignalKeys(ctx)).items.map(({ kid }) => kid)
    at += 40 * 24 * 3600 * 1000
    await rotateSignalKey(ctx)
    at += 10 * 60_000
    await rotateSignalKey(ctx)
    expect(await kids()).toContain(first?.kid)
    at += 24 * 3600 * 1000
    await rotateSignalKey(ctx)
    expect(await kids()).not.toContain(first?.kid)
    expect(await kids()).toHaveLength(3)
  })
})
