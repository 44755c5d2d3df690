import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import {
  type Cell,
  CLIENTS,
  KNOWN,
  MATRIX,
  NOTES,
  type NoteName,
  STEPS,
  type Step,
} from '../e2e/clients/matrix.ts'

const PAGE = resolve(import.meta.dirname, '../../docs/clients.md')
const steps = Object.keys(STEPS) as Step[]
const notes = Object.keys(NOTES) as NoteName[]

/** The table as the page shows it: a tick, or the number of what is known to happen instead. */
function table(): string {
  const cell = (value: Cell) => (value === 'works' ? '✓' : `(${notes.indexOf(value) + 1})`)
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rows = MATRIX.map(row =>
    line([CLIENTS[row.client], KNOWN[row.known], ...steps.map(step => cell(row.steps[step]))]),
  )
  const head = ['client', 'known', ...steps.map(step => STEPS[step])]
  const said = notes.map((note, at) => `(${at + 1}) ${NOTES[note]}`)
  return [line(head), line(head.map(() => '---')), ...rows, '', ...said].join('\n')
}

test('docs/clients.md shows the table that the tests walk', () => {
  const shown = /<!-- clients: [^>]*-->\n([\s\S]*?)\n<!-- end of clients -->/.exec(
    readFileSync(PAGE, 'utf8'),
  )?.[1]
  expect(shown).toBe(table())
})

test('every note is about some cell', () => {
  const used = new Set(MATRIX.flatMap(({ steps: cells }) => Object.values<Cell>(cells)))
  for (const note of notes) expect(used).toContain(note)
})
