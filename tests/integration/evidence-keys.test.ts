import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  bundleHead,
  checkpointText,
  createNoteSigner,
  endLine,
  endText,
  entryLine,
  leafHash,
  newNoteSeed,
  publicKeyOf,
  sha256,
  signKeyStatement,
  signNote,
} from '@valetkey/sdk/evidence'
import { expect, test } from 'vitest'
import { verifyBundle } from '../../examples/verify/verify.ts'
import { attempt } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { exportOf, openEvidence, shipped, verify } from './evidence-stage.ts'
import { start } from './product.ts'
import { openTerminal } from './terminal.ts'

test('whoever knows only the first key of a log goes on after any number of rotations, and is told by whose word', async () => {
  await using product = await start()
  const { organization, records } = await shipped(product)
  await using terminal = await openTerminal(product)
  const path = (name: string) => join(terminal.directory, name)
  const [first = ''] = product.audit.logs.trust()
  await writeFile(path('first'), `${first}\n`)
  const keys = [first]
  for (let rotation = 1; rotation <= 3; rotation++) {
    const rotated = await terminal.valetkey(['audit', 'key', 'rotate'])
    const printed = rotated.out.trim().split('\n')
    expect(printed.slice(0, 2)).toEqual([expect.stringMatching(/^auth\.test\/log\/\*\+/), keys.at(-1)])
    expect(printed.filter(line => line.startsWith('statement '))).toHaveLength(rotation)
    keys.push(printed[0] ?? '')
  }
  const bundle = await exportOf(product, organization.id)
  for (const key of keys) {
    expect(verify(bundle, [key])).toMatchObject({
      findings: [],
      followed: keys.slice(keys.indexOf(key) + 1).map(key => ({ key })),
    })
    expect(verifyBundle(Buffer.from(bundle), [key])).toEqual([])
  }
  // Without what the keys say of each other, or with a part of it, the first one leads nowhere.
  const [, firstKey = ''] = first.split('*+')
  const without = (said: string) =>
    bundle
      .split('\n')
      .filter(line => !(line.startsWith('statement') && line.includes(said)))
      .join('\n')
  for (const bent of [without('follows'), without(`follows ${firstKey}`)]) {
    expect(verify(bent, [first]).findings).toContainEqual(expect.objectContaining({ kind: 'unsigned' }))
    expect(verifyBundle(Buffer.from(bent), [first])).not.toEqual([])
  }
  const files = ['northwind.evidence', 'one.tlog-proof']
  await terminal.valetkey(['audit', 'export', '--org', 'northwind', '--file', 'northwind.evidence'])
  await terminal.valetkey(['audit', 'receipt', records[4]?.id ?? '', '--file', 'one.tlog-proof'])
  for (const file of files) {
    const verified = await terminal.valetkey(['audit', 'verify', file, '--key-file', 'first'])
    expect(verified.code, verified.out).toBe(0)
    expect(verified.out).toContain(`trusts     ${keys[1]}, for which ${first} vouches`)
    expect(verified.out).toContain(`trusts     ${keys[3]}, for which ${keys[2]} vouches`)
  }
  const { items } = await product.audit.changes({ limit: 10, type: 'log_key.created' })
  expect(items).toHaveLength(4)
  // What signs no more is not there to be stolen.
  const rows = await product.store.db.selectFrom('logKey').select(['state', 'sealedSeed']).execute()
  expect(rows.filter(({ sealedSeed }) => sealedSeed === '').map(({ state }) => state)).toEqual([
    'retired',
    'retired',
  ])
})

test('a stolen key vouches for nothing any more: who knows only that one has to be given the new one', async () => {
  await using product = await start()
  const { organization } = await shipped(product)
  await using terminal = await openTerminal(product)
  const [first = ''] = product.audit.logs.trust()
  await terminal.valetkey(['audit', 'key', 'rotate'])
  const before = await exportOf(product, organization.id)
  const [second = ''] = product.audit.logs.trust()
  const rotating = ['audit', 'key', 'rotate', '--compromised', '--reason', 'a stolen backup']
  expect((await terminal.valetkey([...rotating, '--dry-run'])).out).toBe('')
  expect(product.audit.logs.trust()[0]).toBe(second)
  const printed = (await terminal.valetkey(rotating)).out.trim().split('\n')
  const third = printed[0] ?? ''
  // It signs alone.
  expect(printed.filter(line => line.startsWith('auth.test'))).toEqual([third])
  expect([first, second]).not.toContain(third)
  const bundle = await exportOf(product, organization.id)
  expect(verify(bundle, [third])).toMatchObject({ findings: [], followed: [] })
  expect(verifyBundle(Buffer.from(bundle), [third])).toEqual([])
  for (const key of [first, second]) {
    expect(verify(bundle, [key]).findings).toContainEqual({
      ...{ kind: 'unsigned', first: null, last: null, id: null },
      sentence: expect.stringMatching(/was stolen and vouches for nothing any more\. Get the new one/),
    })
    expect(verifyBundle(Buffer.from(bundle), [key])).not.toEqual([])
    // Nor does anything hold that was signed by it, once it is known that it was taken back.
    expect(verify(before, [key, ...printed]).findings).toContainEqual(
      expect.objectContaining({ kind: 'unsigned' }),
    )
    expect(verifyBundle(Buffer.from(before), [key, ...printed])).not.toEqual([])
  }
  const [change] = (await product.audit.changes({ limit: 1, type: 'log_key.created' })).items
  expect(change?.detail).toMatchObject({
    reason: 'a stolen backup',
    revoked: expect.toSatisfy((keys: string[]) => {
      const named = keys.map(key => `auth.test/log/*+${key}`)
      return named.length === 2 && named.includes(first) && named.includes(second)
    }),
  })
  expect(
    await product.store.db.selectFrom('logKey').select('state').where('sealedSeed', '!=', '').execute(),
  ).toEqual([{ state: 'active' }])
  // And the chain begins anew with it.
  await terminal.valetkey(['audit', 'key', 'rotate'])
  await terminal.valetkey(['audit', 'key', 'rotate'])
  expect(verify(await exportOf(product, organization.id), [third]).findings).toEqual([])
  // What was taken back once is so for ever, also when the key that took it back is taken back itself.
  const last = (await terminal.valetkey(rotating)).out.trim().split('\n')
  expect(verify(before, [first, ...last]).findings).toContainEqual(
    expect.objectContaining({ kind: 'unsigned' }),
  )
  expect(verifyBundle(Buffer.from(before), [first, ...last])).not.toEqual([])
})

test('what nothing has grown over since is shown under the keys of today', async () => {
  await using product = await start()
  const { records } = await shipped(product)
  await using terminal = await openTerminal(product)
  const receive = (name: string) =>
    terminal.valetkey(['audit', 'receipt', records[4]?.id ?? '', '--file', name])
  await receive('before.tlog-proof')
  const rotations = [[], [], ['--compromised', '--reason', 'a stolen backup']]
  for (const [i, more] of rotations.entries()) {
    const [key = ''] = (await terminal.valetkey(['audit', 'key', 'rotate', ...more])).out.split('\n')
    await receive(`${i}.tlog-proof`)
    const verified = await terminal.valetkey(['audit', 'verify', `${i}.tlog-proof`, '--key', key])
    expect(verified, `${i}`).toMatchObject({ code: 0 })
    const kept = await terminal.valetkey(['audit', 'checkpoint', '--org', 'northwind'])
    await writeFile(join(terminal.directory, 'kept'), kept.out)
    const beside = ['audit', 'verify', `${i}.tlog-proof`, '--key', key, '--checkpoint', 'kept']
    expect((await terminal.valetkey(beside)).code).toBe(0)
    expect((await terminal.valetkey(['audit', 'verify', 'before.tlog-proof', '--key', key])).code).toBe(8)
  }
})

test('a stolen old key cannot lead to another history unnoticed: what it says of the logs is held against them', async () => {
  await using product = await start()
  const { organization } = await shipped(product)
  await using terminal = await openTerminal(product)
  const [first = ''] = product.audit.logs.trust()
  const row = await product.store.db.selectFrom('logKey').selectAll().executeTakeFirstOrThrow()
  const stolen = Buffer.from(product.store.secrets.open(row.sealedSeed, `log-key:${row.id}`), 'base64')
  const [, publicKey = ''] = first.split('*+')
  await terminal.valetkey(['audit', 'key', 'rotate'])
  const path = (name: string) => join(terminal.directory, name)
  await writeFile(path('first'), first)
  await writeFile(path('true.evidence'), await exportOf(product, organization.id))
  const environment = await product.client().evidence.export({ log: 'environment' })
  await writeFile(path('environment.evidence'), Buffer.from(await new Response(environment).arrayBuffer()))
  // The thief's own key, a log of its own, and a place in a log of the environment that never was.
  const own = newNoteSeed()
  const origin = `auth.test/log/${organization.id}`
  const leaf = '{"id":"evt_1","type":"agent.suspended","v":1}'
  const forged = (at: { size: number; root: Buffer }) => {
    const note = signKeyStatement(
      { prefix: 'auth.test/log/', at: { origin: 'auth.test/log/environment', ...at } },
      { key: own, follows: stolen },
    )
    const signer = createNoteSigner(origin, 'ed25519', own)
    const checkpoint = signNote(checkpointText({ origin, size: 1, root: leafHash(leaf) }), [signer])
    const about = { origin, log: organization.id, isWhole: true, size: 1, query: {}, madeAt: '', madeBy: '' }
    const body =
      bundleHead({
        about,
        keys: [],
        statements: [note],
        witnesses: [],
        points: [],
        checkpoints: [checkpoint],
      }) + entryLine({ index: 0, hash: leafHash(leaf), leaf, data: null })
    return body + endLine(signNote(endText(sha256(body), 1), [signer]))
  }
  await writeFile(path('forged.evidence'), forged({ size: 1, root: sha256('no such tree') }))
  const verifying = (...files: string[]) =>
    terminal.valetkey(['audit', 'verify', ...files, '--key-file', 'first'])
  // By itself it holds, for whoever knows nothing but the stolen key and asks no witness; and says by whose word.
  expect(await verifying('forged.evidence')).toMatchObject({
    code: 0,
    out: expect.stringContaining(`trusts     auth.test/log/*+${publicKeyOf(own).toString('base64')}`),
  })
  const witness = createNoteSigner('witness.test/w1', 'cosignature', newNoteSeed())
  expect((await verifying('forged.evidence', '--witness', witness.vkey)).code).toBe(8)
  // Beside anything true it does not: one key has two successors.
  for (const beside of ['true.evidence', 'environment.evidence']) {
    const said = await verifying('forged.evidence', beside)
    expect(said.code).toBe(8)
    expect(said.out).toContain(`The key auth.test/log/*+${publicKey} has two successors`)
  }
  // Nor where no successor was known yet: what it says of the log of the environment is not so.
  const early = (await readFile(path('environment.evidence'), 'utf8')).replaceAll(/^statement.*\n/gm, '')
  await writeFile(path('early.evidence'), early)
  expect((await verifying('forged.evidence', 'early.evidence')).out).toMatch(
    /auth\.test\/log\/environment has two histories: by what was said of the key/,
  )
})

test('a key that is rotated in the middle of a batch leaves no checkpoint that its holders cannot check', async () => {
  await using evidence = await openEvidence()
  const { audit } = evidence
  let counter = 0
  for (let round = 0; round < 6; round++) {
    const [known = ''] = evidence.trust()
    const batch = () =>
      ship(
        audit,
        'pnt_1',
        1,
        Array.from({ length: 10 }, () => attempt(++counter)),
      )
    await Promise.all([
      batch(),
      audit.logs.rotateKey({ actor: 'usr_maya' }),
      audit.flush(),
      audit.logs.anchor(),
      batch(),
    ])
    const bundle = await evidence.export()
    expect(verify(bundle, [known]).findings, `round ${round}`).toEqual([])
    expect(verify(bundle, evidence.trust()).findings).toEqual([])
  }
})
