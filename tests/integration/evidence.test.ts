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
  rootOf,
  sha256,
  signatureLine,
  signKeyStatement,
  signNote,
} from '@valetkey/sdk/evidence'
import { expect, test } from 'vitest'
import { verifyBundle } from '../../examples/verify/verify.ts'
import { attempt, outcome } from '../storage/audit-samples.ts'
import { POINT_JWK, ship } from '../storage/shipping.ts'
import { openEvidence, verify } from './evidence-stage.ts'
import { ISSUER, northwind, type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

/** Northwind's calls as an enforcement point shipped them, on Acme and on Jane. */
async function shipped(product: Product) {
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

test('200: an export of a question holds what was asked for, each with its proof, and is itself on record', async () => {
  await using product = await start()
  const { organization } = await shipped(product)
  await using terminal = await openTerminal(product)
  const path = (name: string) => join(terminal.directory, name)
  const keys = await terminal.valetkey(['audit', 'key', 'ls'])
  await writeFile(path('keys'), keys.out)
  const exporting = [
    'audit',
    'export',
    'resource:customer/jane',
    '--org',
    'northwind',
    '--file',
    'jane.evidence',
  ]
  expect((await terminal.valetkey(exporting)).code).toBe(0)
  const bundle = await readFile(path('jane.evidence'), 'utf8')
  const entries = bundle.split('\n').filter(line => line.startsWith('entry'))
  // Four calls and how they ended.
  expect(entries).toHaveLength(8)
  expect(verifyBundle(Buffer.from(bundle), keys.out.trim().split('\n'))).toEqual([])
  const verified = await terminal.valetkey([
    'audit',
    'verify',
    'jane.evidence',
    '--key-file',
    'keys',
    '--json',
  ])
  expect(JSON.parse(verified.out).items).toMatchObject([
    { origin: `auth.test/log/${organization.id}`, records: 8, holds: true, findings: [] },
  ])
  const [exported] = (await product.audit.changes({ limit: 1, type: 'evidence.exported' })).items
  expect(exported).toMatchObject({ detail: { query: { q: 'resource:customer/jane' } } })
  // A proof that is of another record, and a record without one.
  const [first = '', second = ''] = entries
  const proofOf = (line: string) => line.split('\t')[6] ?? ''
  for (const bent of [
    bundle.replace(first, first.replace(proofOf(first), proofOf(second))),
    bundle.replace(first, first.split('\t').slice(0, 6).join('\t')),
    bundle.replace('customer/jane', 'customer/june'),
    bundle.replace(/^consistency.*\n/m, '').replace('"isWhole":false', '"isWhole":true'),
  ]) {
    await writeFile(path('bent.evidence'), bent)
    const said = await terminal.valetkey(['audit', 'verify', 'bent.evidence', '--key-file', 'keys'])
    expect(said.code, said.out).toBe(8)
    expect(verifyBundle(Buffer.from(bent), keys.out.trim().split('\n'))).not.toEqual([])
  }
})

test('200: a receipt proves one record to whoever has the key, and no other', async () => {
  await using product = await start()
  const { records } = await shipped(product)
  await using terminal = await openTerminal(product)
  const path = (name: string) => join(terminal.directory, name)
  await writeFile(path('keys'), (await terminal.valetkey(['audit', 'key', 'ls'])).out)
  const id = records[4]?.id ?? ''
  const written = await terminal.valetkey(['audit', 'receipt', id, '--file', 'one.tlog-proof'])
  expect(written.out).toMatch(/^Wrote one\.tlog-proof: record \d+ of the \d+ in auth\.test\/log\/org_/)
  const verifying = ['audit', 'verify', 'one.tlog-proof', '--key-file', 'keys']
  const verified = await terminal.valetkey(verifying)
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining(`attempt ${id} of`) })
  const witness = createNoteSigner('witness.test/w1', 'cosignature', newNoteSeed())
  expect(await terminal.valetkey([...verifying, '--witness', witness.vkey])).toMatchObject({
    code: 8,
    out: expect.stringContaining('0 of the 1 witnesses'),
  })
  const receipt = await readFile(path('one.tlog-proof'), 'utf8')
  const note = receipt.slice(receipt.indexOf('\n\n') + 2)
  const signature = witness.sign(note.slice(0, note.indexOf('\n\n') + 1), 1_800_000_000)
  await writeFile(path('one.tlog-proof'), receipt + signatureLine(witness, signature))
  expect(await terminal.valetkey([...verifying, '--witness', witness.vkey])).toMatchObject({
    code: 0,
    out: expect.stringContaining('seen by    witness.test/w1'),
  })
  const extra = /^extra (.+)$/m.exec(receipt)?.[1] ?? ''
  const other = Buffer.from(Buffer.from(extra, 'base64').toString().replace('permit', 'deny')).toString(
    'base64',
  )
  await writeFile(path('one.tlog-proof'), receipt.replace(extra, other))
  expect(await terminal.valetkey(verifying)).toMatchObject({
    code: 8,
    out: expect.stringContaining('is another one than this'),
  })
  expect((await terminal.valetkey(['audit', 'receipt', 'dec_nobody'])).code).toBe(4)
  expect((await terminal.valetkey(['audit', 'verify', 'one.tlog-proof'])).code).toBe(2)
})

test('200: what is erased is gone from every answer, and the log stays valid and says so', async () => {
  await using product = await start()
  const { organization, maya, records } = await shipped(product)
  await using terminal = await openTerminal(product)
  const before = await exportOf(product, organization.id)
  const first = records[0]?.id ?? ''
  expect(before).toContain('note 0 of jane doe')
  const erase = [
    'audit',
    'erase',
    '--org',
    'northwind',
    '--resource',
    'customer/jane',
    '--reason',
    'her request',
  ]
  expect((await terminal.valetkey(erase)).out).toBe('Erased what lay beside 4 records.\n')
  expect(await product.audit.get(first)).toMatchObject({ arguments: null, isErased: true })
  const after = await exportOf(product, organization.id)
  for (const i of [0, 3, 6, 9]) expect(after).not.toContain(`note ${i} of jane doe`)
  expect(after).toContain('note 1 of jane doe')
  const trust = product.audit.logs.trust()
  expect(verify(after, trust)).toMatchObject({ findings: [], erased: 4 })
  expect(verifyBundle(Buffer.from(after), trust)).toEqual([])
  // All that was there is there: only what lay beside it is gone.
  const hashes = (bundle: string) => [...bundle.matchAll(/^entry\t(\d+)\t(\S+)/gm)].map(([line]) => line)
  expect(hashes(after).slice(0, hashes(before).length)).toEqual(hashes(before))
  // A person: what was done for her, and what was changed of her, but not the record of the erasure itself.
  const person = maya.email
  const erasing = ['audit', 'erase', '--org', 'northwind', '--person', person, '--reason', 'left']
  expect((await terminal.valetkey(erasing)).out).toMatch(/^Erased what lay beside [34] records\.\n$/)
  expect((await terminal.valetkey(erasing)).out).toBe('Erased what lay beside 0 records.\n')
  const last = await exportOf(product, organization.id)
  expect(last.split('\n').filter(line => line.includes(person))).toEqual([])
  expect(verify(last, trust).findings).toEqual([])
})

test('what can be erased is asked for and explained', async () => {
  await using product = await start()
  await shipped(product)
  const admin = product.client()
  await expect(admin.evidence.erase({ reason: 'x' })).rejects.toMatchObject({ status: 400 })
  await expect(admin.evidence.erase({ record: 'dec_x', reason: '' })).rejects.toMatchObject({ status: 400 })
  await expect(
    product.client('audit:read').evidence.erase({ record: 'dec_x', reason: 'x' }),
  ).rejects.toMatchObject({ status: 403 })
  await expect(admin.evidence.erase({ person: 'nobody@x.test', reason: 'x' })).rejects.toMatchObject({
    status: 404,
  })
  await expect(admin.evidence.export({})).rejects.toMatchObject({ status: 400 })
  await expect(admin.evidence.export({ organization: 'nowhere' })).rejects.toMatchObject({ status: 404 })
  await expect(admin.evidence.export({ organization: 'northwind', generation: 7 })).rejects.toMatchObject({
    status: 404,
  })
})

test('numbers that never arrived are listed, also where the point lost them in the middle', async () => {
  await using evidence = await openEvidence()
  const calls = [1, 2, 5, 6, 9].map(counter => attempt(counter))
  await ship(evidence.audit, 'pnt_1', 1, calls.slice(0, 3))
  await ship(evidence.audit, 'pnt_1', 1, calls.slice(3))
  const report = verify(await evidence.export(), evidence.trust())
  expect(report.findings).toEqual([])
  expect(report.missing).toEqual([
    { point: 'pnt_1', epoch: 1, counter: 4 },
    { point: 'pnt_1', epoch: 1, counter: 8 },
  ])
  // One of them comes late.
  await ship(evidence.audit, 'pnt_1', 1, [
    attempt(8, { writer: { point: 'pnt_1', epoch: 1, counter: 8, previous: 6 } }),
  ])
  expect(verify(await evidence.export(), evidence.trust()).missing).toEqual([
    { point: 'pnt_1', epoch: 1, counter: 4 },
  ])
})

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

test('audit logs and audit checkpoint say how far everything is signed', async () => {
  await using product = await start()
  const { organization } = await shipped(product)
  await using terminal = await openTerminal(product)
  const logs = JSON.parse((await terminal.valetkey(['audit', 'logs', '--json'])).out).items
  expect(logs.map(({ name }: { name: string }) => name)).toEqual(['environment', organization.id])
  const checkpoint = await terminal.valetkey(['audit', 'checkpoint', '--org', 'northwind'])
  expect(checkpoint.out).toMatch(new RegExp(`^auth\\.test/log/${organization.id}\n\\d+\n`))
  expect((await terminal.valetkey(['audit', 'checkpoint'])).code).toBe(2)
  await product.audit.logs.anchor()
  expect((await terminal.valetkey(['audit', 'checkpoint'])).out).toMatch(/^auth\.test\/log\/heads\n1\n/)
})

async function exportOf(product: Product, organization: string): Promise<string> {
  const pieces: string[] = []
  for await (const piece of await product.audit.proof.export({ organization }, 'tok_auditor'))
    pieces.push(piece)
  return pieces.join('')
}

test('a change is on record with the trace of its request, and an enforcement point with the key that it signs with', async () => {
  await using product = await start()
  await northwind(product)
  const trace = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
  await product.request('PATCH', '/agents/support-bot', { purpose: 'answers' }, { traceparent: trace })
  await product.request('PATCH', '/agents/support-bot', { purpose: 'asks' }, { traceparent: 'x'.repeat(500) })
  const { items } = await product.audit.changes({ limit: 2, type: 'agent.updated' })
  expect(items).toHaveLength(2)
  expect(items).toContainEqual(
    expect.objectContaining({
      trace,
      detail: expect.objectContaining({
        before: expect.objectContaining({ purpose: '' }),
        after: expect.objectContaining({ purpose: 'answers' }),
      }),
    }),
  )
  const other = items.find(each => each.trace !== trace)?.trace
  expect(other).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/)
})

test('a log is read as tiles, by what any client of C2SP tlog-tiles asks for', async () => {
  await using product = await start()
  const { organization } = await northwind(product)
  const at = new Date(product.now() - 60_000).toISOString()
  for (let first = 1; first <= 600; first += 100)
    await ship(
      product.audit,
      'pnt_1',
      1,
      Array.from({ length: 100 }, (_, i) => attempt(first + i, { organization: organization.id, at })),
    )
  await product.audit.flush()
  const get = async (file: string, token = product.adminToken, log = organization.id) => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await product.send(new Request(`${ISSUER}/api/log/${log}/${file}`, { headers }))
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
  }
  const [origin, size = '', root] = (await get('checkpoint')).bytes.toString().split('\n')
  expect(origin).toBe(`auth.test/log/${organization.id}`)
  const rest = Number(size) % 256
  const files = ['000', '001', `002.p/${rest}`]
  const leaves: Buffer[] = []
  for (const file of files) {
    const { bytes } = await get(`tile/entries/${file}`)
    const hashes: Buffer[] = []
    for (let i = 0; i < bytes.length; i += 2 + bytes.readUInt16BE(i))
      hashes.push(leafHash(bytes.toString('utf8', i + 2, i + 2 + bytes.readUInt16BE(i))))
    expect((await get(`tile/0/${file}`)).bytes.equals(Buffer.concat(hashes))).toBe(true)
    leaves.push(...hashes)
  }
  expect(leaves).toHaveLength(Number(size))
  expect(rootOf(leaves).toString('base64')).toBe(root)
  const above = [leaves.slice(0, 256), leaves.slice(256, 512)].map(rootOf)
  expect((await get('tile/1/000.p/2')).bytes.equals(Buffer.concat(above))).toBe(true)
  for (const none of [
    'tile/0/002',
    'tile/0/003.p/1',
    'tile/1/000',
    'tile/7/000.p/1',
    'tile/0/2.p/1',
    'tile/entries/002',
    'x',
  ])
    expect((await get(none)).status, none).toBe(404)
  expect((await get('checkpoint', product.adminToken, 'org_nobody')).status).toBe(404)
  expect((await get('checkpoint', 'vk_api_wrong')).status).toBe(401)
  const { token } = await product.client().apiTokens.create({ name: 'narrow', permissions: ['agent:read'] })
  expect((await get('checkpoint', token ?? '')).status).toBe(403)
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

test('valetkey witness keeps its key and what it has seen, and cosigns what goes on from there', async () => {
  await using product = await start()
  await northwind(product)
  await product.audit.flush()
  await using terminal = await openTerminal(product)
  await writeFile(join(terminal.directory, 'keys'), (await terminal.valetkey(['audit', 'key', 'ls'])).out)
  const witness = ['witness', '--name', 'witness.test/w1', '--trust-file', 'keys', '--listen', '127.0.0.1:0']
  const [{ items }] = [await product.client().evidence.logs({ organization: 'northwind' })]
  const note = items[0]?.checkpoint ?? ''
  const keys = new Set<string>()
  for (const status of [200, 409]) {
    const stopping = new AbortController()
    const printed: string[] = []
    const running = terminal.valetkey(witness, {
      interrupted: stopping.signal,
      onOut: text => printed.push(text),
    })
    await expect.poll(() => printed.join('')).toContain('VALETKEY_AUDIT_WITNESSES')
    const [, url = ''] = /listens +(\S+)/.exec(printed.join('')) ?? []
    keys.add(/^ +key +(\S+)/m.exec(printed.join(''))?.[1] ?? '')
    const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: `old 0\n\n${note}` })
    expect(answer.status).toBe(status)
    stopping.abort()
    await running
  }
  expect([...keys]).toEqual([expect.stringMatching(/^witness\.test\/w1\+/)])
})
