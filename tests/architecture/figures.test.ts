import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { toTable } from '../../bench/readme.ts'

const read = (file: string) => readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8')

test('what authorization and record add to a call is published as it was measured: median, p99, load and calls a second', () => {
  const results = JSON.parse(read('bench/results.json'))
  for (const key of ['added_p50_ms', 'p99_ms', 'calls_per_second'])
    expect(results.gateway.figures[key], key).toBeGreaterThan(0)
  const row = toTable(results)
    .split('\n')
    .find(line => line.includes('| added to a call at 200 calls/s, median; the whole call, p99;'))
  expect(row).not.toContain('not measured')
  expect(read('README.md')).toContain(row)
  expect(read('README.md')).toContain('`npm run bench -- NAME`')
})
