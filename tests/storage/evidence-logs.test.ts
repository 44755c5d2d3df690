import { cpSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isoTime, newId } from '@valetkey/sdk/core'
import {
  createNoteSigner,
  isConsistent,
  isIncluded,
  leafHash,
  newNoteSeed,
  openNote,
  parseCheckpoint,
  parseTrust,
  parseVkey,
  partNote,
  rootOf,
} from '@valetkey/sdk/evidence'
import { afterEach, describe, expect, test } from 'vitest'
import { eventEntry } from '../../packages/server/src/audit/entry.ts'
import { type Audit, openAudit, record } from '../../packages/server/src/audit/index.ts'
import { openPostgresLedger } from '../../packages/server/src/audit/postgres/ledger.ts'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'
import { startWitness, type Witness } from '../../packages/server/src/witness/index.ts'
import { NOW } from './audit-evidence.ts'
import { attempt, insertNames } from './audit-samples.ts'
import { describeOnBoth, freshDatabase, freshDirectory, MASTER_KEY } from './databases.ts'
import { ship } from './shipping.ts'

const ORIGIN = 'auth.test/log'
const calls = (first: number, count: number) => Array.from({ length: count }, (_, i) => attempt(first + i))

/** All leaves of a log in order, and what its newest checkpoint says. */
async function read(audit: Audit, name = 'org_nw') {
  const log = await audit.logs.find(name)
  if (!log?.note) throw new Error('the log is not signed')
  const known = audit.logs.vkeys(log).map(parseVkey)
  const { text, signed } = openNote(log.note, known)
  const checkpoint = parseCheckpoint(text)
  const entries = await audit.logs.entries(log.id, 0, checkpoint.size)
  const leaves = entries.map(({ entry }) => ('leaf' in entry ? entry.leaf : ''))
  return { log, checkpoint, leaves, signed }
}

describeOnBoth('logs', (open, place) => {
  const opened: Audit[] = []
  const witnesses: Witness[] = []
  afterEach(async () => {
    for (const audit of opened.splice(0)) await audit.close()
    for (const witness of witnesses.splice(0)) await witness.close()
  })
  async function openOn(store: Store, path: string, more: Partial<Parameters<typeof openAudit>[0]> = {}) {
    const audit = await openAudit({ store, path, origin: ORIGIN, now: () => NOW, headRecords: 60, ...more })
    opened.push(audit)
    return audit
  }
  const newPath = () =>
    place.kind === 'memory' ? ':memory:' : join(freshDirectory(), 'audit', 'evidence.db')
  async function start() {
    const store = await open()
    await insertNames(store)
    const path = newPath()
    return { store, path, audit: await openOn(store, path) }
  }

  test('a checkpoint is the tree of all that is in the log, and every entry and every state before it is proved by it', async () => {
    const { audit } = await start()
    const states: { size: number; root: Buffer }[] = []
    for (const [first, count] of [
      [1, 3],
      [4, 1],
      [5, 90],
      [95, 180],
      [275, 40],
    ] as const) {
      await ship(audit, 'pnt_1', 1, calls(first, count))
      await audit.flush()
      const { checkpoint, leaves } = await read(audit)
      expect(checkpoint.root.equals(rootOf(leaves.map(leafHash)))).toBe(true)
      states.push(checkpoint)
    }
    const { log, checkpoint, leaves } = await read(audit)
    expect(checkpoint).toMatchObject({ origin: `${ORIGIN}/org_nw`, size: 314 + 5 })
    for (let index = 0; index < leaves.length; index += 7) {
      const proof = await audit.logs.trees.inclusion(log.id, index, checkpoint.size)
      const leaf = leafHash(leaves[index] ?? '')
      expect(isIncluded(leaf, { index, size: checkpoint.size }, proof, checkpoint.root)).toBe(true)
    }
    for (const state of states) {
      const proof = await audit.logs.trees.consistency(log.id, state.size, checkpoint.size)
      expect(isConsistent(state, checkpoint, proof)).toBe(true)
      expect((await audit.logs.trees.rootAt(log.id, state.size)).equals(state.root)).toBe(true)
    }
  })

  test('each organization has a log of its own, what concerns all has one, and behind records stands what the point signed', async () => {
    const { store, audit } = await start()
    const other = calls(1, 2).map((call, i) => ({ ...call, organization: 'org_other', id: `dec_other_${i}` }))
    await ship(audit, 'pnt_1', 1, calls(3, 2))
    await ship(audit, 'pnt_2', 1, other)
    await store.write(tx =>
      record(tx, { organization: null, type: 'role.created', actor: 'tok_1', target: 'rol_1' }, NOW),
    )
    await audit.flush()
    const types = async (name: string) =>
      (await read(audit, name)).leaves.map(leaf => (JSON.parse(leaf) as { type: string }).type)
    expect(await types('org_nw')).toEqual(['attempt', 'attempt', 'shipment'])
    expect(await types('org_other')).toEqual(['attempt', 'attempt', 'shipment'])
    expect(await types('environment')).toEqual(['log_key.created', 'role.created'])
    await audit.logs.anchor()
    const { leaves } = await read(audit, 'heads')
    const names = leaves.flatMap(leaf => (JSON.parse(leaf) as { heads: [string, number, number][] }).heads)
    expect(names.map(([name, generation, size]) => [name, generation, size])).toEqual([
      ['environment', 1, 2],
      ['org_nw', 1, 3],
      ['org_other', 1, 3],
    ])
  })

  test('a log goes on where it ended after a restart, and signs what a crash left unsigned', async () => {
    const { store, path, audit } = await start()
    if (place.kind === 'memory') return
    await ship(audit, 'pnt_1', 1, calls(1, 100))
    await audit.flush()
    const before = await read(audit)
    await ship(audit, 'pnt_1', 1, calls(101, 30))
    await opened.pop()?.close()
    const again = await openOn(store, path)
    const after = await read(again)
    expect(after.checkpoint.size).toBe(132)
    const proof = await again.logs.trees.consistency(
      after.log.id,
      before.checkpoint.size,
      after.checkpoint.size,
    )
    expect(isConsistent(before.checkpoint, after.checkpoint, proof)).toBe(true)
  })

  test('after a rotation the new key and the one before both sign, and then the new one alone', async () => {
    const { audit } = await start()
    await ship(audit, 'pnt_1', 1, calls(1, 2))
    await audit.flush()
    const [first] = audit.logs.vkeys({ name: 'org_nw', generation: 1 })
    await audit.logs.rotateKey({ actor: 'usr_maya' })
    await ship(audit, 'pnt_1', 1, calls(3, 2))
    await audit.flush()
    expect((await read(audit)).signed.map(({ vkey }) => vkey)).toContain(first)
    expect((await read(audit)).signed).toHaveLength(2)
    await audit.logs.rotateKey({ actor: 'usr_maya' })
    await ship(audit, 'pnt_1', 1, calls(5, 2))
    await audit.flush()
    const { signed } = await read(audit)
    expect(signed.map(({ vkey }) => vkey)).toEqual(
      audit.logs.vkeys({ name: 'org_nw', generation: 1 }).slice(0, 2),
    )
    expect(audit.logs.vkeys({ name: 'org_nw', generation: 1 })).toHaveLength(3)
  })

  test('witnesses cosign what moved, from wherever they were', async () => {
    const seed = newNoteSeed()
    const signer = createNoteSigner('witness.test/w1', 'cosignature', seed)
    const { store, path, audit } = await start()
    const [vkey = ''] = audit.logs.vkeys({ name: 'org_nw', generation: 1 })
    const trust = parseTrust(audit.logs.trust())
    const directory = freshDirectory()
    const witness = await startWitness({ directory, signer, trust, host: '127.0.0.1', port: 0 })
    witnesses.push(witness)
    await ship(audit, 'pnt_1', 1, calls(1, 5))
    if (place.kind !== 'memory') await opened.pop()?.close()
    const errors: unknown[] = []
    const address = { vkey: signer.vkey, url: witness.url }
    const onError = (error: unknown) => void errors.push(error)
    if (place.kind === 'memory') return
    const watched = await openOn(store, path, { witnesses: [address], onError })
    await watched.logs.anchor()
    await ship(watched, 'pnt_1', 1, calls(6, 300))
    await watched.logs.anchor()
    const log = await watched.logs.find('org_nw')
    const opened_ = openNote(log?.cosigned ?? '', [parseVkey(vkey), parseVkey(signer.vkey)])
    expect(parseCheckpoint(opened_.text).size).toBe(307)
    expect(opened_.signed.map(({ name }) => name)).toEqual([`${ORIGIN}/org_nw`, 'witness.test/w1'])
    expect(opened_.signed[1]?.seconds).toBeGreaterThan(1_700_000_000)
    // A node that does not know how far the witness is finds out.
    await opened.pop()?.close()
    const fresh = await openOn(store, path, { witnesses: [address], onError })
    await ship(fresh, 'pnt_1', 1, calls(306, 1))
    await fresh.logs.anchor()
    expect(parseCheckpoint((await fresh.logs.find('org_nw'))?.cosigned ?? '').size).toBe(309)
    expect(errors).toEqual([])
  })
})

describe('evidence that was restored from an older copy', () => {
  const options = { origin: ORIGIN, now: () => NOW, headRecords: 60 }

  /** Evidence of 40 calls, a copy of it, and 30 calls more. */
  async function restored() {
    const store = await openStore({ url: 'sqlite::memory:', masterKey: MASTER_KEY })
    await insertNames(store)
    const path = join(freshDirectory(), 'audit', 'evidence.db')
    const copy = join(freshDirectory(), 'copy')
    const first = await openAudit({ store, path, ...options })
    await ship(first, 'pnt_1', 1, calls(1, 40))
    await first.close()
    cpSync(dirname(path), copy, { recursive: true })
    const second = await openAudit({ store, path, ...options })
    await ship(second, 'pnt_1', 1, calls(41, 30))
    await second.close()
    return { store, path, copy }
  }
  const restore = (path: string, copy: string, memory: boolean) => {
    for (const name of [
      'evidence.db',
      'evidence.db-wal',
      'evidence.db-shm',
      'segments',
      ...(memory ? ['checkpoints'] : []),
    ]) {
      rmSync(join(dirname(path), name), { recursive: true, force: true })
      if (existsSync(join(copy, name)))
        cpSync(join(copy, name), join(dirname(path), name), { recursive: true })
    }
  }

  test('audit.rolled_back: what was signed is remembered outside the database, and nothing goes on over it', async () => {
    const { store, path, copy } = await restored()
    restore(path, copy, false)
    await expect(openAudit({ store, path, ...options })).rejects.toMatchObject({ code: 'audit.rolled_back' })
    // Nor when other records have filled the place of those that are gone.
    renameSync(join(dirname(path), 'checkpoints'), join(dirname(path), 'aside'))
    const forked = await openAudit({ store, path, ...options })
    await ship(
      forked,
      'pnt_1',
      1,
      calls(41, 60).map(call => ({ ...call, tool: 'other' })),
    )
    await forked.close()
    renameSync(join(dirname(path), 'aside'), join(dirname(path), 'checkpoints'))
    await expect(openAudit({ store, path, ...options })).rejects.toMatchObject({ code: 'audit.rolled_back' })
  })

  test('a witness remembers where the whole directory was restored', async () => {
    const { store, path, copy } = await restored()
    const keys = await openAudit({ store, path, ...options })
    const trust = parseTrust(keys.logs.trust())
    await keys.close()
    const signer = createNoteSigner('witness.test/w1', 'cosignature', newNoteSeed())
    const witness = await startWitness({
      directory: freshDirectory(),
      signer,
      trust,
      host: '127.0.0.1',
      port: 0,
    })
    const witnesses = [{ vkey: signer.vkey, url: witness.url }]
    const seen = await openAudit({ store, path, ...options, witnesses })
    await seen.close()
    restore(path, copy, true)
    const errors: unknown[] = []
    const behind = await openAudit({
      store,
      path,
      ...options,
      witnesses,
      onError: error => void errors.push(error),
    })
    // Found at the start already, without anyone asking.
    await expect.poll(() => errors).toContainEqual(expect.objectContaining({ code: 'audit.rolled_back' }))
    await expect(ship(behind, 'pnt_1', 1, calls(41, 1))).rejects.toMatchObject({ code: 'audit.rolled_back' })
    // What is changed meanwhile waits where it was recorded: in the evidence it would be in neither history.
    const change = { organization: null, type: 'agent.revoked', actor: 'tok_1', target: 'agt_1' }
    await store.write(tx => record(tx, change, NOW))
    await expect(behind.flush()).rejects.toMatchObject({ code: 'audit.rolled_back' })
    expect(await behind.figures()).toMatchObject({ outbox: 1 })
    await behind.close()
    await witness.close()
  })

  test('facts that were restored while the evidence was not are found out, and go on record where that is accepted', async () => {
    const directory = freshDirectory()
    const url = `sqlite:${join(directory, 'valetkey.db')}`
    const path = join(directory, 'audit', 'evidence.db')
    const change = (store: Store, target: string) =>
      store.write(tx =>
        record(tx, { organization: null, type: 'agent.revoked', actor: 'tok_1', target }, NOW),
      )
    /** What a node does in a day. */
    async function work(target: string) {
      const store = await openStore({ url, masterKey: MASTER_KEY })
      try {
        const audit = await openAudit({ store, path, ...options })
        await change(store, target)
        await audit.flush()
        await audit.close()
      } finally {
        await store.close()
      }
    }
    await work('agt_1')
    cpSync(join(directory, 'valetkey.db'), join(directory, 'backup.db'))
    await work('agt_2')
    for (const name of ['valetkey.db', 'valetkey.db-wal', 'valetkey.db-shm'])
      rmSync(join(directory, name), { force: true })
    cpSync(join(directory, 'backup.db'), join(directory, 'valetkey.db'))
    await expect(work('agt_3')).rejects.toMatchObject({
      code: 'audit.rolled_back',
      message: expect.stringContaining('what was revoked since would act again'),
    })
    renameSync(join(directory, 'audit', 'checkpoints'), join(directory, 'audit', 'checkpoints.accepted'))
    await work('agt_3')
    const store = await openStore({ url, masterKey: MASTER_KEY })
    const audit = await openAudit({ store, path, ...options })
    const { items } = await audit.changes({ limit: 10, type: 'facts.restored' })
    expect(items[0]?.detail).toEqual({ kept: 2, recorded: 3 })
    await audit.close()
    await store.close()
  })

  test('an accepted loss goes on record, in another generation of each log that lost something', async () => {
    const { store, path, copy } = await restored()
    restore(path, copy, false)
    renameSync(join(dirname(path), 'checkpoints'), join(dirname(path), 'checkpoints.accepted'))
    const audit = await openAudit({ store, path, ...options })
    await ship(audit, 'pnt_1', 1, calls(41, 2))
    await audit.flush()
    const { log, leaves } = await read(audit)
    expect(log.generation).toBe(2)
    expect(JSON.parse(leaves[0] ?? '')).toMatchObject({ type: 'log.restarted', target: `${ORIGIN}/org_nw` })
    const { items } = await audit.changes({ limit: 10, type: 'log.restarted', organization: 'org_nw' })
    expect(items[0]?.detail).toMatchObject({ kept: 41, signed: 72 })
    // What was kept is still found, with what came after.
    expect((await audit.calls({ limit: 100, organization: 'northwind' })).items).toHaveLength(42)
    await audit.close()
    // And of a log that lost nothing it is still known how far it was signed.
    expect(readFileSync(join(dirname(path), 'checkpoints'), 'utf8')).toContain(`${ORIGIN}/environment `)
    const again = await openAudit({ store, path, ...options })
    await again.close()
  })

  test('a log of which nothing is left does not begin again under a name that was signed', async () => {
    const { store, path } = await restored()
    for (const generation of [2, 3]) {
      restore(path, freshDirectory(), false)
      renameSync(join(dirname(path), 'checkpoints'), join(dirname(path), 'checkpoints.accepted'))
      const audit = await openAudit({ store, path, ...options })
      await ship(audit, 'pnt_1', 1, calls(41, 2))
      await audit.flush()
      const { log, leaves } = await read(audit)
      expect(log.generation).toBe(generation)
      const target = audit.logs.originOf({ ...log, generation: generation - 1 })
      expect(JSON.parse(leaves[0] ?? '')).toMatchObject({ type: 'log.restarted', target })
      await audit.close()
    }
  })
})

test('what a node had stored or grown when it died is signed by another one, which has nothing of its own', async () => {
  const url = await freshDatabase()
  const [dying, living] = [
    await openStore({ url, masterKey: MASTER_KEY }),
    await openStore({ url, masterKey: MASTER_KEY }),
  ]
  const path = join(freshDirectory(), 'audit', 'evidence.db')
  const audit = await openAudit({ store: living, path, origin: ORIGIN, now: () => NOW })
  await audit.flush()
  const ledger = await openPostgresLedger(dying, { secret: dying.instanceId, now: () => NOW })
  const event = { organization: null, type: 'agent.revoked', actor: 'tok_1', target: 'agt_1' }
  for (const hasGrown of [false, true]) {
    const entry = eventEntry({ ...event, id: newId('event', NOW), at: isoTime(NOW) })
    await ledger.append([entry])
    if (hasGrown) await ledger.grow()
    const { entries } = (await ledger.logs(['environment'])).at(-1) ?? {}
    const signed = async () => {
      const { note } = (await audit.logs.find('environment')) ?? {}
      return note ? parseCheckpoint(partNote(note).text).size : 0
    }
    await expect.poll(signed, { timeout: 20_000 }).toBe(entries)
    expect((await read(audit, 'environment')).leaves.at(-1)).toBe(entry.leaf)
  }
  await audit.close()
  await living.close()
  await dying.close()
})
