import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(resolve(root, 'docs/controls.md'), 'utf8')
const rows = page.split('\n').filter(line => /^\| (?!---)/.test(line) && !line.includes('| held by |'))
const named = [...page.matchAll(/\]\(\.\.\/([^)]+\.test\.ts)\) “([^”]+)”/g)].map(
  ([, file = '', title = '']) => ({
    file,
    title,
  }),
)

test('every control names the tests that hold it', () => {
  expect(rows.length).toBeGreaterThan(30)
  for (const row of rows) expect(row).toMatch(/\]\(\.\.\/[^)]+\.test\.ts\) “/)
  for (const risk of ['ASI02', 'ASI03', 'ASI07', 'ASI10']) expect(page).toContain(`| ${risk}`)
})

test.each(named)('$file has a test named “$title”', ({ file, title }) => {
  expect(existsSync(resolve(root, file))).toBe(true)
  const text = readFileSync(resolve(root, file), 'utf8')
  // As the name of a test, and not in a comment or a sentence of its own.
  const quoted = ["'", '"', '`'].map(quote => `${quote}${title}${quote}`)
  const names = [
    ...text.matchAll(
      /\b(?:test|it)(?:\.\w+)*(?:\([^'"`]*\))?(?:<[^>]*>)?\(\s*(['"`].*)$|^\s*(['"`].*['"`]),$/gm,
    ),
  ]
  expect(
    names.some(([, inline, below]) => quoted.some(name => (inline ?? below ?? '').startsWith(name))),
  ).toBe(true)
})
