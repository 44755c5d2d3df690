import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type Change } from '../../packages/sdk/src/core/index.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/index.ts'
import {
  type Context,
  createAssignment,
  createCredential,
  createRevocation,
  freezeOrganization,
  listAgents,
  listAssignments,
  loadCatalogue,
  loadOrganization,
  removeAssignment,
  resumeAgent,
  suspendAgent,
  thawOrganization,
  unmapTool,
  updateAgent,
  updateRole,
  updateServer,
} from '../../packages/server/src/directory/index.ts'
import { prune } from '../../packages/server/src/feed/index.ts'
import { beginChange, openStore } from '../../packages/server/src/store/index.ts'
import { describeOnBoth, freshDatabase, MASTER_KEY, startPostgres } from './databases.ts'
import {
  addAgent,
  contextOf,
  map,
  newKeys,
  openFeed,
  type Seeded,
  seed,
  sendTo,
  startPoint,
  take,
} from './feed-stand.ts'

/** What a replica knows, in a form that two of them can be compared by. */
function contentOf(snapshot: Snapshot, organization: string): unknown {
  const { catalogue } = snapshot
  const view = snapshot.organization(organization)
  const sorted = <V>(map: Map<string, V> | undefined) => [...(map ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    catalogue: {
      revision: catalogue.revision,
      servers: sorted(catalogue.servers).map(([id, server]) => [
        ...[id, server.fact],
        Object.values(server.rules).flatMap(rules => sorted(rules).map(([, rule]) => rule.fact)),
      ]),
      permissions: sorted(catalogue.permissions).map(([, { fact }]) => fact),
      resourceTypes: sorted(catalogue.resourceTypes).map(([, { fact }]) => fact),
      roles: sorted(catalogue.roles).map(([, { fact }]) => fact),
    },
    organization: {
      revision: view?.revision,
      fact: view?.fact,
      principals: sorted(view?.principals),
      agents: sorted(view?.agents),
      credentials: sorted(view?.credentials),
      roles: sorted(view?.roles).map(([, { fact }]) => fact),
      assignments: [...(view?.holdings.all() ?? [])]
        .map(({ fact }) => fact)
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
      grants: sorted(view?.grants).map(([, { fact }]) => fact),
      resources: view?.tree.size,
      revokedTokens: sorted(view?.revokedTokens),
    },
  }
}

async function freshly(ctx: Context, organization: string): Promise<Snapshot> {
  const snapshot = createSnapshot()
  snapshot.load(await loadCatalogue(ctx.store.db))
  snapshot.load(await loadOrganization(ctx.store.db, organization, ctx.now()))
  return snapshot
}

const KINDS = [
  ...['agent', 'suspend', 'resume', 'ceiling', 'credential', 'revoke_credential', 'revoke_token'],
  ...['revoke_agent', 'assign', 'unassign', 'role', 'map', 'unmap', 'server', 'freeze', 'empty'],
] as const

/** One random change through the directory's own operations; one that the state forbids changes nothing. */
async function change(ctx: Context, seeded: Seeded, kind: string, n: number): Promise<void> {
  const { organization, owner, role, billing } = seeded
  const { items } = await listAgents(ctx, { organization, limit: 200 })
  const { id } = items[n % items.length] ?? seeded.agent
  const common = { organization, id, reason: '', waitMs: 0 }
  const nobody = () => Promise.reject(new Error('not waited for'))
  const elsewhere = { signing_key: nobody }
  const ways: Record<string, () => Promise<unknown>> = {
    agent: () => addAgent(ctx, organization, owner, `agent-${n}`),
    suspend: () => suspendAgent(ctx, common),
    resume: () => resumeAgent(ctx, common),
    ceiling: () => updateAgent(ctx, { organization, id, ceiling: [`invoices:r${n}`] }),
    credential: () =>
      createCredential(ctx, {
        ...{ organization, agent: id, kind: 'secret', label: '', expiresAt: null, legacyAudience: false },
      }),
    revoke_credential: () =>
      createRevocation(ctx, { ...common, kind: 'credential', id: seeded.credential.id }, nobody, elsewhere),
    revoke_token: () =>
      createRevocation(ctx, { ...common, kind: 'token', id: `jti-${n}-0123456789` }, nobody, elsewhere),
    revoke_agent: () => createRevocation(ctx, { ...common, kind: 'agent' }, nobody, elsewhere),
    assign: () =>
      createAssignment(ctx, {
        ...{ organization, principal: id, role: role.id },
        ...{ source: 'direct', sourceId: '', expiresAt: null },
      }),
    unassign: async () => {
      const [first] = (await listAssignments(ctx, { organization, limit: 1 })).items
      if (first) await removeAssignment(ctx, { organization, id: first.id })
    },
    role: () => updateRole(ctx, { id: role.id, permissions: n % 2 ? [] : ['invoices:refund'] }),
    map: () => map(ctx, billing.id, `tool-${n % 5}`),
    unmap: () => unmapTool(ctx, { server: billing.id, id: `tool-${n % 5}` }),
    server: () => updateServer(ctx, { id: billing.id, mode: n % 2 ? 'audit' : 'enforce' }),
    freeze: () => (n % 2 ? freezeOrganization : thawOrganization)(ctx, { id: organization, reason: '' }),
    empty: () =>
      ctx.store.write(async tx => {
        await beginChange(tx, n % 2 ? CATALOGUE : organization, { actor: 'tok_test', now: ctx.now() })
      }),
  }
  await ways[kind]?.().catch((fault: unknown) => {
    const code = (fault as { code?: string }).code ?? ''
    if (!/^(conflict|not_found|policy)/.test(code)) throw fault
  })
}

const changes = fc.array(fc.tuple(fc.constantFrom(...KINDS), fc.nat(1_000)), { minLength: 8, maxLength: 25 })

describeOnBoth('the feed', (open, place) => {
  test('a snapshot and all that followed it hold what a fresh load holds, at every revision between', async () => {
    const ctx = contextOf(await open())
    const seeded = await seed(ctx)
    const feed = openFeed(ctx.store)
    const point = await startPoint(sendTo(feed), seeded.serverKey)
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(25), async (sequence, at) => {
        const early = sequence.slice(0, at)
        for (const [kind, n] of early) await change(ctx, seeded, kind, n)
        const replica = createSnapshot()
        replica.load(await point.snapshot(CATALOGUE))
        replica.load(await point.snapshot(seeded.organization))
        for (const [kind, n] of sequence.slice(at)) await change(ctx, seeded, kind, n)
        await follow(replica, point, seeded)
        const fresh = createSnapshot()
        fresh.load(await point.snapshot(CATALOGUE))
        fresh.load(await loadOrganization(ctx.store.db, seeded.organization, ctx.now()))
        expect(contentOf(replica, seeded.organization)).toEqual(contentOf(fresh, seeded.organization))
      }),
      { numRuns: 8 },
    )
    feed.close()
  })

  test('a replica that loses, doubles and reorders events and reconnects ends up the same', async () => {
    const ctx = contextOf(await open())
    const seeded = await seed(ctx)
    const feed = openFeed(ctx.store)
    const point = await startPoint(sendTo(feed), seeded.serverKey)
    const started = [await point.snapshot(CATALOGUE), await point.snapshot(seeded.organization)]
    for (let n = 0; n < 40; n++) await change(ctx, seeded, KINDS[n % KINDS.length] ?? 'map', n * 7)
    const fresh = await freshly(ctx, seeded.organization)
    const heads = [CATALOGUE, seeded.organization].map(id => fresh.revisionOf(id) ?? 0)
    const count = heads.reduce((sum, head, i) => sum + head - (started[i]?.revision ?? 0), 0)
    const from = started.map(({ organization, revision }) => `${organization}.${revision}`).join(',')
    const events = (await take(point.events(from), count)).flatMap(event =>
      event.kind === 'change' ? [event.change] : [],
    )
    const garbled = fc.array(fc.nat(events.length - 1), { minLength: 5, maxLength: 80 })
    await fc.assert(
      fc.asyncProperty(garbled, async order => {
        const replica = createSnapshot()
        for (const facts of started) replica.load(facts)
        for (const index of order) {
          const event = events[index]
          if (event && !replica.apply(event)) await follow(replica, point, seeded)
        }
        await follow(replica, point, seeded)
        const expected = createSnapshot()
        expected.load(await point.snapshot(CATALOGUE))
        expected.load(await point.snapshot(seeded.organization))
        expect(contentOf(replica, seeded.organization)).toEqual(contentOf(expected, seeded.organization))
      }),
      { numRuns: 15 },
    )
    feed.close()
  })

  /** Applies what the stream says until the replica stands at the heads. */
  async function follow(
    replica: Snapshot,
    point: Awaited<ReturnType<typeof startPoint>>,
    seeded: Seeded,
  ): Promise<void> {
    const ids = [CATALOGUE, seeded.organization]
    const { heads } = await point.lease({})
    const isBehind = () => ids.some(id => (replica.revisionOf(id) ?? 0) < (heads[id] ?? 0))
    if (!isBehind()) return
    const from = ids.map(id => `${id}.${replica.revisionOf(id)}`).join(',')
    for await (const event of point.events(from)) {
      if (event.kind === 'reset') throw new Error('the history is there')
      expect(replica.apply(event.change)).toBe(true)
      if (!isBehind()) break
    }
  }

  test('what was pruned comes as a reset, and what was not comes as it was', async () => {
    const ctx = contextOf(await open())
    const seeded = await seed(ctx)
    const feed = openFeed(ctx.store)
    const point = await startPoint(sendTo(feed), seeded.serverKey)
    const before = await point.snapshot(CATALOGUE)
    const inEightDays = Date.now() + 8 * 24 * 3600 * 1000
    await map(ctx, seeded.billing.id, 'old')
    await map({ ...ctx, now: () => inEightDays }, seeded.billing.id, 'young')
    await prune(ctx.store, inEightDays)
    const [gone] = await take(point.events(`catalogue.${before.revision}`), 1)
    expect(gone).toMatchObject({ kind: 'reset', organization: CATALOGUE })
    const [kept] = await take(point.events(`catalogue.${before.revision + 1}`), 1)
    expect(kept).toMatchObject({ kind: 'change', change: { revision: before.revision + 2 } })
    feed.close()
  })

  test('what is loaded while others write is of one revision', async () => {
    const ctx = contextOf(await open())
    const seeded = await seed(ctx)
    const { organization } = seeded
    let writing = true
    const writer = (async () => {
      for (let n = 0; n < 25; n++) await change(ctx, seeded, n % 2 ? 'suspend' : 'resume', 0)
      writing = false
    })()
    const loads: Change[] = []
    while (writing) loads.push(await loadOrganization(ctx.store.db, organization, ctx.now()))
    await writer
    const feed = openFeed(ctx.store)
    const point = await startPoint(sendTo(feed), seeded.serverKey)
    await point.snapshot(organization)
    for (const load of loads.filter((_, n) => n % Math.ceil(loads.length / 10) === 0)) {
      const replica = createSnapshot()
      replica.load(await point.snapshot(CATALOGUE))
      replica.load(load)
      await follow(replica, point, seeded)
      const fresh = await loadOrganization(ctx.store.db, organization, ctx.now())
      const expected = createSnapshot()
      expected.load(await point.snapshot(CATALOGUE))
      expected.load(fresh)
      expect(contentOf(replica, organization)).toEqual(contentOf(expected, organization))
    }
    feed.close()
  })

  test('many writers at once: a subscriber sees every revision once and in order', async () => {
    const ctx = contextOf(await open())
    const seeded = await seed(ctx)
    const feed = openFeed(ctx.store)
    const point = await startPoint(sendTo(feed), seeded.serverKey)
    const { revision } = await point.snapshot(seeded.organization)
    const events = take(point.events(`${seeded.organization}.${revision}`), 40)
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => addAgent(ctx, seeded.organization, seeded.owner, `bot-${n}`)),
    )
    const seen = (await events).map(event => event.kind === 'change' && event.change.revision)
    expect(seen).toEqual(Array.from({ length: 40 }, (_, n) => revision + 1 + n))
    feed.close()
  })

  if (place.kind === 'postgres') {
    test('what is written on one node reaches the subscribers of another', async () => {
      const url = await place.newUrl()
      const [ctxA, ctxB] = [contextOf(await open(url)), contextOf(await open(url))]
      const seeded = await seed(ctxA)
      const feedB = openFeed(ctxB.store)
      const point = await startPoint(sendTo(feedB), seeded.serverKey)
      const { revision } = await point.snapshot(seeded.organization)
      const events = take(point.events(`${seeded.organization}.${revision}`), 5)
      for (let n = 0; n < 5; n++) await addAgent(ctxA, seeded.organization, seeded.owner, `bot-${n}`)
      expect((await events).at(-1)?.id).toBe(`${seeded.organization}.${revision + 5}`)
      feedB.close()
    })

    test('a barrier on one node waits for a point that talks to another', async () => {
      const url = await place.newUrl()
      const [ctxA, ctxB] = [contextOf(await open(url)), contextOf(await open(url))]
      const seeded = await seed(ctxA)
      const { organization } = seeded
      const [feedA, feedB] = [openFeed(ctxA.store), openFeed(ctxB.store)]
      const point = await startPoint(sendTo(feedB), seeded.serverKey)
      const { revision } = await point.snapshot(organization)
      await point.lease({ [organization]: revision })
      const { id } = seeded.agent
      await suspendAgent(ctxA, { organization, id, reason: '' })
      expect(await feedA.barrier(organization, revision + 1, 30)).toMatchObject({ complete: false })
      const waiting = feedA.barrier(organization, revision + 1, 4_000)
      await point.lease({ [organization]: revision + 1 })
      const result = await waiting
      expect(result).toMatchObject({ complete: true, points: [{ id: point.id, outcome: 'confirmed' }] })
      expect(result.elapsedMs).toBeLessThan(1_000)
      feedA.close()
      feedB.close()
    })

    test('a session holds on every node, until a later start on any of them', async () => {
      const url = await place.newUrl()
      const [ctxA, ctxB] = [contextOf(await open(url)), contextOf(await open(url))]
      const seeded = await seed(ctxA)
      const [feedA, feedB] = [openFeed(ctxA.store, { beatMs: 50 }), openFeed(ctxB.store)]
      const keys = await newKeys()
      const point = await startPoint(sendTo(feedA), seeded.serverKey, keys)
      const headers = { authorization: `Bearer ${point.session}`, 'content-type': 'application/json' }
      const onB = () => sendTo(feedB)('/feed/lease', { method: 'POST', headers, body: '{"applied":{}}' })
      expect((await onB()).status).toBe(200)
      await point.snapshot(CATALOGUE)
      const stream = take(point.events('catalogue.0'), 10_000)
      await startPoint(sendTo(feedB), seeded.serverKey, keys)
      await stream
      expect((await onB()).status).toBe(409)
      feedA.close()
      feedB.close()
    })

    test('two starts of one key at the same moment get two numbers, and one of them is fenced', async () => {
      const url = await place.newUrl()
      const [ctxA, ctxB] = [contextOf(await open(url)), contextOf(await open(url))]
      const seeded = await seed(ctxA)
      const [feedA, feedB] = [openFeed(ctxA.store), openFeed(ctxB.store)]
      const keys = await newKeys()
      const points = await Promise.all([
        startPoint(sendTo(feedA), seeded.serverKey, keys),
        startPoint(sendTo(feedB), seeded.serverKey, keys),
      ])
      expect(points.map(point => point.epoch).sort()).toEqual([1, 2])
      const answers = await Promise.all(points.map(point => point.post('/feed/lease', { applied: {} })))
      expect(answers.map(answer => answer.status).sort()).toEqual([200, 409])
      feedA.close()
      feedB.close()
    })
  }
})

test('while the database is away no lease is renewed and no stream invents anything', async () => {
  const server = await startPostgres()
  const store = await openStore({ url: await freshDatabase(server.url), masterKey: MASTER_KEY })
  const ctx = contextOf(store)
  const seeded = await seed(ctx)
  const faults: unknown[] = []
  const feed = openFeed(store, { onFault: fault => void faults.push(fault), beatMs: 100 })
  const point = await startPoint(sendTo(feed), seeded.serverKey)
  const { revision } = await point.snapshot(CATALOGUE)
  await point.lease({ catalogue: revision })
  const stream = point.events(`catalogue.${revision}`)
  const events = take(stream, 1)
  // The stream stands before the database goes: each of these takes longer than opening it.
  for (let i = 0; i < 5; i++) await point.lease({ catalogue: revision })
  await server.close()
  const response = await point.post('/feed/lease', { applied: { catalogue: revision } })
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ code: 'store.unavailable' })
  await expect.poll(() => faults.length).toBeGreaterThan(0)
  feed.close()
  expect(await events).toEqual([])
  await store.close()
})
