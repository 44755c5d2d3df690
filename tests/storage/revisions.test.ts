import { expect, test } from 'vitest'
import { beginChange, prepareInsert, send, violation } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'
import { createOrganization, readRevisions, revokeToken, revokeTokenIn } from './facts.ts'

const WRITERS = 32
const insertSettings = prepareInsert('setting', ['key', 'value'])

describeOnBoth('revisions', open => {
  test('32 writers at once make revisions without a gap, each with all of its rows', async () => {
    const store = await open()
    const organization = await createOrganization(store, 'northwind', 1)
    const writers = Array.from({ length: WRITERS }, (_, index) => `t${index}`)
    const made = await Promise.all(writers.map(token => revokeToken(store, organization, token)))
    const { head, log, tokens } = await readRevisions(store, organization)
    expect(head).toBe(WRITERS)
    expect(log.map(({ revision }) => revision)).toEqual(writers.map((_, index) => index + 1))
    expect(new Set(tokens)).toEqual(new Set(writers))
    for (const [index, revision] of made.entries()) expect(log[revision - 1]?.factId).toBe(`t${index}`)
  })

  test('a reader beside the writers never finds a revision without its rows', async () => {
    const store = await open()
    const organization = await createOrganization(store, 'northwind', 1)
    let isWriting = true
    const writing = Promise.all(
      Array.from({ length: WRITERS }, (_, index) => revokeToken(store, organization, `t${index}`)),
    ).finally(() => {
      isWriting = false
    })
    let looks = 0
    while (isWriting || looks === 0) {
      const { head, log, tokens } = await readRevisions(store, organization)
      expect(log.map(({ revision }) => revision)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
      expect(tokens).toHaveLength(head)
      looks++
    }
    await writing
  })

  test('a write that fails leaves nothing, and its revision goes to the next one', async () => {
    const store = await open()
    const organization = await createOrganization(store, 'northwind', 1)
    const refused = store.write(async tx => {
      await revokeTokenIn(tx, organization, 'lost')
      throw new Error('changed its mind')
    })
    await expect(refused).rejects.toThrow('changed its mind')
    expect(await readRevisions(store, organization)).toEqual({ head: 0, log: [], tokens: [] })
    expect(await revokeToken(store, organization, 'kept')).toBe(1)
  })

  for (const [when, goOn] of [
    ['at the commit', false],
    ['at the next statement', true],
  ] as const)
    test(`a statement that nobody waited for and that failed undoes the write, found ${when}`, async () => {
      const store = await open()
      const organization = await createOrganization(store, 'northwind', 1)
      const broken = store.write(async tx => {
        const change = await beginChange(tx, organization, { actor: 'test', now: 0 })
        await send(tx, insertSettings(tx, [{ key: 'once', value: '1' }]))
        await send(tx, insertSettings(tx, [{ key: 'once', value: '2' }]))
        await change.log({ fact: 'revoked_token', id: 'lost', value: null })
        if (goOn) await beginChange(tx, 'catalogue', { actor: 'test', now: 0 })
      })
      expect(violation(await broken.catch(reason => reason))).toBe('unique')
      expect(await readRevisions(store, organization)).toEqual({ head: 0, log: [], tokens: [] })
      const left = store.db.selectFrom('setting').select('value').where('key', '=', 'once')
      expect(await left.execute()).toEqual([])
      expect(await revokeToken(store, organization, 'kept')).toBe(1)
    })

  test('a statement that comes after the end of a write is not run', async () => {
    const store = await open()
    const late = Promise.withResolvers<void>()
    let straggler = Promise.resolve()
    await store.write(async tx => {
      straggler = late.promise.then(() => insertSettings(tx, [{ key: 'late', value: '1' }]))
    })
    late.resolve()
    await expect(straggler).rejects.toThrow()
    const left = store.db.selectFrom('setting').select('value').where('key', '=', 'late')
    expect(await left.execute()).toEqual([])
  })

  test('an organization that does not exist cannot be changed', async () => {
    const store = await open()
    await expect(revokeToken(store, 'org_nowhere', 't')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('listeners hear of a change after its commit and never of one that failed', async () => {
    const store = await open()
    const organization = await createOrganization(store, 'northwind', 1)
    const heard: (readonly string[] | undefined)[] = []
    const stop = store.onChange(organizations => heard.push(organizations))
    await store.write(async tx => {
      await revokeTokenIn(tx, organization, 'c')
      expect(heard).toEqual([])
    })
    expect(heard).toEqual([[organization]])
    await store.write(tx => revokeTokenIn(tx, organization, 'c')).catch(() => {})
    await store.write(tx => tx.selectFrom('setting').selectAll().execute())
    expect(heard).toEqual([[organization]])
    stop()
    await revokeToken(store, organization, 'd')
    expect(heard).toEqual([[organization]])
  })

  test('several reads in one read see one moment, whatever is written in between', async () => {
    const store = await open()
    const organization = await createOrganization(store, 'northwind', 1)
    const headOf = (db: typeof store.db) =>
      db.selectFrom('organization').select('revision').where('id', '=', organization).executeTakeFirst()
    const begun = Promise.withResolvers<void>()
    const writing = begun.promise.then(() => revokeToken(store, organization, 'between'))
    await store.read(async db => {
      expect(await headOf(db)).toEqual({ revision: 0 })
      begun.resolve()
      await new Promise(resolve => setTimeout(resolve, 50))
      expect(await headOf(db)).toEqual({ revision: 0 })
    })
    expect(await writing).toBe(1)
  })

  test('using the store inside a write is an error, not a wait without end', async () => {
    const store = await open()
    const misuse = 'only the transaction they hand out'
    await expect(store.write(async () => store.db)).rejects.toThrow(misuse)
    await expect(store.write(() => store.write(async () => 1))).rejects.toThrow(misuse)
    await expect(store.read(() => store.read(async () => 1))).rejects.toThrow(misuse)
    expect(await store.write(async () => 'free again')).toBe('free again')
  })
})
