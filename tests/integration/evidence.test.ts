import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createNoteSigner, leafHash, newNoteSeed, rootOf, signatureLine } from '@valetkey/sdk/evidence'
import { expect, test } from 'vitest'
import { verifyBundle } from '../../examples/verify/verify.ts'
import { attempt } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { exportOf, openEvidence, shipped, verify } from './evidence-stage.ts'
import { ISSUER, northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

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
