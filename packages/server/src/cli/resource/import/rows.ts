import { didYouMean, type Json, type JsonObject } from '@valetkey/sdk/core'
import { UsageError } from '../../terminal/index.ts'
import { parseRecord } from './csv.ts'
import type { Line } from './lines.ts'

/** A row of the file by the line where it begins: what the authority gets, or why it gets nothing. */
export type FileRow = { line: number; row: Json } | { line: number; fault: string }

export const COLUMNS = ['type', 'id', 'name', 'parent'] as const
type Column = (typeof COLUMNS)[number]

/** One JSON object a line; empty lines are left out. */
export async function* ndjsonRows(lines: AsyncIterable<Line>): AsyncGenerator<FileRow> {
  for await (const { number: line, text, fault } of lines) {
    if (text === undefined) yield { line, fault: fault ?? '' }
    else if (text.trim() !== '') yield { line, ...parseJson(text) }
  }
}

function parseJson(text: string): { row: Json } | { fault: string } {
  try {
    const row = JSON.parse(text) as Json
    if (row === null || typeof row !== 'object' || Array.isArray(row) || !Object.values(row).every(isPlain))
      return { fault: 'The line is not an object of plain values, as {"type":"invoice","id":"INV-1"}.' }
    return checked(row)
  } catch (error) {
    return { fault: `The line is not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** Texts that no request can carry: one of them would have the rows around it refused as well. */
function checked(row: JsonObject): { row: Json } | { fault: string } {
  const isText = (value: Json) =>
    typeof value !== 'string' || (value.isWellFormed() && !value.includes('\u0000'))
  if (!Object.entries(row).flat().every(isText))
    return { fault: 'The line holds U+0000 or half a character.' }
  if (Object.hasOwn(row, '__proto__')) return { fault: 'A key may not be called "__proto__".' }
  return { row }
}

function isPlain(value: Json): boolean {
  return value === null || typeof value !== 'object'
}

/** A quoted field may hold line breaks, but a quote that never closes must not take the rest of the file with it. */
const MOST_LINES = 20

/** Records below a header that names the columns; empty lines are left out. */
export async function* csvRows(lines: AsyncIterable<Line>): AsyncGenerator<FileRow> {
  const waiting: Line[] = []
  const source = lines[Symbol.asyncIterator]()
  const next = async (): Promise<Line | undefined> => {
    const waited = waiting.shift()
    if (waited) return waited
    const { value, done } = await source.next()
    return done ? undefined : value
  }
  let columns: readonly Column[] | undefined
  for (let first = await next(); first; first = await next()) {
    const { number: line, text, fault } = first
    if (text === undefined && !columns) throw noHeader('The file is not UTF-8.')
    if (text === undefined) yield { line, fault: fault ?? '' }
    else if (text.trim() === '') continue
    else if (!columns) columns = readHeader(text)
    else {
      const { record, rest } = await wholeRecord(text, next)
      waiting.unshift(...rest)
      yield { line, ...toRow(record, columns) }
    }
  }
  if (!columns) throw noHeader('The file is empty.')
}

type Whole = { fields: string[] } | { fault: string }

/** A record with the lines that its quotes go over; where they lead nowhere, those lines stand for themselves. */
async function wholeRecord(
  first: string,
  next: () => Promise<Line | undefined>,
): Promise<{ record: Whole; rest: Line[] }> {
  const taken: Line[] = []
  let text = first
  for (;;) {
    const record = parseRecord(text)
    if ('fields' in record) return { record, rest: [] }
    if ('fault' in record && taken.length === 0) return { record, rest: [] }
    const more = 'fault' in record || taken.length === MOST_LINES ? undefined : await next()
    if (more) taken.push(more)
    if (more?.text === undefined)
      return { record: { fault: 'A quote opens here and does not close.' }, rest: taken }
    text += `\n${more.text}`
  }
}

function readHeader(text: string): readonly Column[] {
  const record = parseRecord(text)
  const names = 'fields' in record ? record.fields.map(field => field.trim().toLowerCase()) : []
  for (const name of names)
    if (!COLUMNS.some(column => column === name))
      throw noHeader(
        text.includes(';') && !text.includes(',')
          ? 'The columns are separated by semicolons.'
          : `There is no column "${name}".${didYouMean(name, COLUMNS)}`,
      )
  if (!names.includes('type') || !names.includes('id')) throw noHeader('A type and an id are needed.')
  if (new Set(names).size < names.length) throw noHeader('A column is named twice.')
  return names as Column[]
}

function noHeader(why: string): UsageError {
  return new UsageError(
    'The first line does not name the columns.',
    why,
    'Begin the file with: type,id,name,parent',
  )
}

function toRow(record: Whole, columns: readonly Column[]): { row: Json } | { fault: string } {
  if ('fault' in record) return record
  const { fields } = record
  if (fields.length !== columns.length)
    return { fault: `The line has ${fields.length} fields, the header ${columns.length}.` }
  const cells = columns.map((column, at) => [column, fields[at] ?? ''] as const)
  const isGiven = ([column, cell]: (typeof cells)[number]) =>
    cell !== '' || column === 'type' || column === 'id'
  return checked(Object.fromEntries(cells.filter(isGiven)))
}
