import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLines } from './lines.ts'
import { csvRows, type FileRow, ndjsonRows } from './rows.ts'

/** The file as it comes from the disk, in chunks of some size. */
function chunks(bytes: Buffer, size = 7): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  return parts
}

async function rowsOf(text: string | Buffer, read: typeof csvRows, size?: number): Promise<FileRow[]> {
  const rows: FileRow[] = []
  for await (const row of read(readLines(chunks(Buffer.from(text), size)))) rows.push(row)
  return rows
}

const HEADER = 'type,id,name,parent\n'

test('rows come with the line where they begin, past a BOM, CRLF and empty lines', async () => {
  const csv =
    '\ufefftype,id,name,parent\r\n\r\ncustomer,acme,"Acme, ""Inc""",\r\n   \ninvoice,INV-1,,customer/acme'
  expect(await rowsOf(csv, csvRows)).toEqual([
    { line: 3, row: { type: 'customer', id: 'acme', name: 'Acme, "Inc"' } },
    { line: 5, row: { type: 'invoice', id: 'INV-1', parent: 'customer/acme' } },
  ])
  const ndjson =
    '\ufeff{"type":"customer","id":"acme"}\r\n\r\n{"type":"invoice","id":"INV-1","parent":"customer/acme"}\n'
  expect(await rowsOf(ndjson, ndjsonRows)).toEqual([
    { line: 1, row: { type: 'customer', id: 'acme' } },
    { line: 3, row: { type: 'invoice', id: 'INV-1', parent: 'customer/acme' } },
  ])
})

test('columns may stand in any order, and those that are not needed may be left out', async () => {
  expect(await rowsOf('ID,Type\nacme,customer\n', csvRows)).toEqual([
    { line: 2, row: { id: 'acme', type: 'customer' } },
  ])
})

test.each([
  ['', 'The file is empty.'],
  ['typ,id\n', 'There is no column "typ". Did you mean "type"?'],
  ['type,name\n', 'A type and an id are needed.'],
  ['type,id,id\n', 'A column is named twice.'],
  ['type;id;name\n', 'The columns are separated by semicolons.'],
])('a header %j is refused before anything is sent', async (text, why) => {
  await expect(rowsOf(text, csvRows)).rejects.toMatchObject({ why })
})

test('a broken line does not spoil the next', async () => {
  const lines = [
    'customer,a,,',
    'customer,b',
    'customer,"c"x,,',
    'customer,d"d,,',
    'customer,e,"open,',
    'customer,f,,',
  ]
  expect(await rowsOf(HEADER + lines.join('\n'), csvRows)).toEqual([
    { line: 2, row: { type: 'customer', id: 'a' } },
    { line: 3, fault: 'The line has 2 fields, the header 4.' },
    { line: 4, fault: 'After the quote that closes a field, a comma has to follow.' },
    { line: 5, fault: 'A quote stands inside a field that does not begin with one.' },
    { line: 6, fault: 'A quote opens here and does not close.' },
    { line: 7, row: { type: 'customer', id: 'f' } },
  ])
  const ndjson = [
    '{"type":"a","id":"1"}',
    '{"type":',
    '[1]',
    '7',
    '{"type":"a","id":{"x":1}}',
    '{"type":"a","id":"\\u0000"}',
  ]
  const found = await rowsOf(`${ndjson.join('\n')}\n{"type":"a","id":"2"}`, ndjsonRows)
  expect(found.map(row => ('row' in row ? row.row : row.fault.slice(0, 22)))).toEqual([
    { type: 'a', id: '1' },
    'The line is not JSON: ',
    'The line is not an obj',
    'The line is not an obj',
    'The line is not an obj',
    'The line holds U+0000 ',
    { type: 'a', id: '2' },
  ])
})

test('a quoted field may go over several lines; the next row counts them', async () => {
  expect(await rowsOf(`${HEADER}customer,a,"one\ntwo",\ncustomer,b,,\n`, csvRows)).toEqual([
    { line: 2, row: { type: 'customer', id: 'a', name: 'one\ntwo' } },
    { line: 4, row: { type: 'customer', id: 'b' } },
  ])
})

test('what is no text and what has no end is refused by its line, in little memory', async () => {
  const bytes = Buffer.concat([
    Buffer.from('{"type":"a","id":"1"}\n'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.alloc(3_000_000, 'x'),
    Buffer.from('\n{"type":"a","id":"2"}'),
  ])
  const found = await rowsOf(bytes, ndjsonRows, 65_536)
  expect(found).toEqual([
    { line: 1, row: { type: 'a', id: '1' } },
    { line: 2, fault: 'The line is not UTF-8.' },
    { line: 3, fault: 'The line is longer than 16384 bytes.' },
    { line: 4, row: { type: 'a', id: '2' } },
  ])
})

test('whatever is written as CSV is read as it was, in chunks of any size', async () => {
  const cell = fc.string({
    unit: fc.constantFrom('a', 'é', '😀', ',', '"', '\n', '\r', ';', ' '),
    minLength: 1,
    maxLength: 6,
  })
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(cell, cell)), fc.integer({ min: 1, max: 40 }), async (rows, size) => {
      const text = rows.map(([id, name]) => `customer,${quote(id)},${quote(name)},\n`).join('')
      const found = await rowsOf(HEADER + text, csvRows, size)
      expect(found.map(row => ('row' in row ? row.row : row))).toEqual(
        // A carriage return before a line break belongs to the line break.
        rows.map(([id, name]) => ({
          type: 'customer',
          id: id.replaceAll('\r\n', '\n'),
          name: name.replaceAll('\r\n', '\n'),
        })),
      )
    }),
  )
})
