import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ERRORS, REASONS } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8')

/** Rows of the tables, as cells. */
const rows = page
  .split('\n')
  .filter(line => line.startsWith('| `'))
  .map(line =>
    line
      .split('|')
      .map(cell => cell.trim().replaceAll('`', ''))
      .slice(1, -1),
  )

test('docs/errors.md has a row for every error code, with its status and meaning, and no other', () => {
  const documented = rows
    .filter(row => row.length === 4)
    .map(([code, status, meaning]) => [code, Number(status), meaning])
  expect(documented).toEqual(
    Object.entries(ERRORS).map(([code, [status, meaning]]) => [code, status, meaning]),
  )
})

test('docs/errors.md has a row for every reason of a decision, with what to do, and no other', () => {
  const documented = rows.filter(row => row.length === 3).map(([reason, retry]) => [reason, retry])
  expect(documented).toEqual(Object.entries(REASONS).map(([reason, { retry }]) => [reason, retry]))
})

test('every row says what to do', () => {
  for (const row of rows) expect(row.at(-1)?.length, row[0]).toBeGreaterThan(10)
})
