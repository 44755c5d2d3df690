import { appendFileSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { start } from './product.ts'
import { tenants } from './tenants.ts'
import { openTerminal } from './terminal.ts'

async function open() {
  const product = await start()
  await tenants(product)
  const terminal = await openTerminal(product)
  const path = (name: string) => join(terminal.directory, name)
  return {
    product,
    path,
    write: (name: string, text: string | Buffer) => writeFileSync(path(name), text),
    read: (name: string) => readFileSync(path(name), 'utf8'),
    valetkey: terminal.valetkey,
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

const lineOf = (id: number) => `invoice,N-${id},,customer/acme\n`
const csvOf = (count: number) =>
  `type,id,name,parent\n${Array.from({ length: count }, (_, id) => lineOf(id)).join('')}`

test('a file is registered; what is refused is named by file and line, and the command ends with 7', async () => {
  await using at = await open()
  at.write(
    'rows.csv',
    '\ufefftype,id,name,parent\r\ncustomer,initech,"Initech, ""Inc""",\r\n\r\ninvoice,INV-9,,customer/initech\r\n' +
      'invoice,INV-10,,customer/nobody\r\nbroken\r\nfoo,1,,\r\n',
  )
  const { code, out, err } = await at.valetkey(['resource', 'import', 'rows.csv', '--json'])
  expect(code).toBe(7)
  expect(err).toBe(
    'rows.csv:5: No resource "customer/nobody" to lie below.\n' +
      'rows.csv:6: The line has 1 fields, the header 4.\n' +
      'rows.csv:7: No resource type "foo".\n',
  )
  expect(JSON.parse(out)).toMatchObject({
    kind: 'ResourceImport',
    item: { rows: 5, created: 2, changed: 0, unchanged: 0, rejected: 3, complete: true, resumedAt: null },
  })
  const rejects = at
    .read('rows.csv.rejects.ndjson')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(rejects).toMatchObject([
    { line: 5, code: 'not_found', row: { type: 'invoice', id: 'INV-10', parent: 'customer/nobody' } },
    { line: 6, code: 'request.invalid' },
    { line: 7, code: 'not_found', row: { type: 'foo', id: '1' } },
  ])
  const admin = at.product.client()
  expect(await admin.resources.get({ resource: 'customer/initech' })).toMatchObject({
    name: 'Initech, "Inc"',
  })
  expect(await admin.resources.get({ resource: 'invoice/INV-9' })).toMatchObject({
    path: 'customer/initech/invoice/INV-9',
  })
})

test('the same file again changes nothing, and leaves nothing beside it', async () => {
  await using at = await open()
  at.write(
    'rows.ndjson',
    '{"type":"customer","id":"initech"}\n{"type":"customer","id":"hooli","name":"Hooli"}\n',
  )
  const again = async () =>
    JSON.parse((await at.valetkey(['resource', 'import', 'rows.ndjson', '--json'])).out).item
  expect(await again()).toMatchObject({ created: 2, unchanged: 0, rejected: 0, rejects: null })
  const before = await at.product.client().organizations.get({ id: 'northwind' })
  expect(await again()).toMatchObject({ created: 0, unchanged: 2 })
  expect(await at.product.client().organizations.get({ id: 'northwind' })).toEqual(before)
  expect(existsSync(at.path('rows.ndjson.rejects.ndjson'))).toBe(false)
  expect(existsSync(at.path('rows.ndjson.import-state.json'))).toBe(false)
})

test('an import that was stopped goes on where it was, with every row once', async () => {
  await using at = await open()
  const name = 'many.csv'
  at.write(name, csvOf(4500).replace('N-10,', 'N\u000710,'))
  const interrupted = AbortSignal.abort()
  const first = await at.valetkey(['resource', 'import', name, '--json'], { interrupted })
  expect(first.code).toBe(130)
  expect(first.err).toContain('Stopped before line 2,002. The same command goes on there.\n')
  expect(JSON.parse(first.out).item).toMatchObject({
    rows: 2000,
    created: 1999,
    rejected: 1,
    complete: false,
  })
  // What a step that was killed half-way had written: it runs again.
  appendFileSync(at.path(`${name}.rejects.ndjson`), '{"line":3000}\n{"li')
  const second = await at.valetkey(['resource', 'import', name, '--json'])
  expect(second.err).toContain('Going on at line 2,002, where the import stopped before.\n')
  expect(JSON.parse(second.out).item).toMatchObject({
    rows: 4500,
    created: 4499,
    unchanged: 0,
    rejected: 1,
    resumedAt: 2002,
    complete: true,
  })
  expect(at.read(`${name}.rejects.ndjson`).trim().split('\n')).toHaveLength(1)
  expect(existsSync(at.path(`${name}.import-state.json`))).toBe(false)
})

test('a file that changed since is begun again only when that is said', async () => {
  await using at = await open()
  at.write('many.csv', csvOf(2500))
  await at.valetkey(['resource', 'import', 'many.csv'], { interrupted: AbortSignal.abort() })
  utimesSync(at.path('many.csv'), 1, 1)
  const refused = await at.valetkey(['resource', 'import', 'many.csv'])
  expect(refused.code).toBe(2)
  expect(refused.err).toContain('The file has changed since.')
  const restarted = await at.valetkey(['resource', 'import', 'many.csv', '--restart', '--json'])
  expect(JSON.parse(restarted.out).item).toMatchObject({ rows: 2500, created: 500, unchanged: 2000 })
  await at.valetkey(['resource', 'import', 'many.csv'], { interrupted: AbortSignal.abort() })
  const elsewhere = await at.valetkey(['resource', 'import', 'many.csv', '--org', 'northwind'])
  expect(elsewhere.err).toContain('It went to another place')
})

test('10 MB with broken lines: twenty are shown, all are kept, the rest is in', async () => {
  await using at = await open()
  const pad = 'x'.repeat(900)
  const lines: string[] = []
  for (let id = 0; id < 10_500; id++)
    lines.push(
      id % 21 === 0
        ? `{"type":"invoice","id":"B-${id}","parent":"customer/acme","pad":"${pad}`
        : `{"type":"invoice","id":"G-${id}","name":"${'n'.repeat(150)}","parent":"customer/acme"${' '.repeat(750)}}`,
    )
  at.write('big.ndjson', lines.join('\n'))
  const { code, out, err } = await at.valetkey(['resource', 'import', 'big.ndjson', '--json'])
  expect(code).toBe(7)
  expect(JSON.parse(out).item).toMatchObject({ rows: 10_500, created: 10_000, rejected: 500 })
  expect(err.split('\n').filter(line => line.startsWith('big.ndjson:'))).toHaveLength(20)
  expect(err).toContain('Further refused rows are only in')
  expect(at.read('big.ndjson.rejects.ndjson').trim().split('\n')).toHaveLength(500)
}, 30_000)

test('a progress line stands on a terminal and nowhere else', async () => {
  await using at = await open()
  at.write('rows.csv', csvOf(3))
  const seen = await at.valetkey(['resource', 'import', 'rows.csv'], { isTerminal: true, columns: 80 })
  expect(seen.err).toMatch(/import rows\.csv {2}3 rows {2}[\d,]+ rows\/s {2}100 % {2}0 s left/)
  expect(seen.err.endsWith('\r\u001b[K')).toBe(true)
  expect((await at.valetkey(['resource', 'import', 'rows.csv'])).err).toBe('')
})

test.each([
  ['rows.txt', 'a', 'neither .csv nor .ndjson'],
  ['rows.csv', 'typ,id\n', 'There is no column "typ". Did you mean "type"?'],
  ['rows.csv', '', 'The file is empty.'],
  ['utf16.csv', Buffer.from('\ufefftype,id\n', 'utf16le'), 'The file is not UTF-8.'],
])('%s with %j is refused before anything is sent', async (name, text, why) => {
  await using at = await open()
  at.write(name, text)
  const { code, err, out } = await at.valetkey(['resource', 'import', name])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(why)
})
