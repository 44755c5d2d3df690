import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { COMMANDS } from '../../packages/server/src/cli/main.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'docs/alerts.md',
  'docs/sinks.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'docs/policy.md',
  'docs/enforcement.md',
  'docs/clients.md',
  'docs/evidence.md',
  'docs/controls.md',
  'docs/signals.md',
  'docs/delegation.md',
]
/** Words that follow the name in prose and in what is signed. */
const NO_COMMANDS = new Set(['serves', 'shipment', 'log', 'evidence'])
const read = (page: string) => readFileSync(resolve(root, page), 'utf8')

test('README.md stays under 200 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThan(200)
})

test.each(pages)('every link of %s to a file of ours leads somewhere', page => {
  const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(match => match[1] ?? '')
  for (const link of links) expect(existsSync(resolve(root, page, '..', link)), link).toBe(true)
})

test.each(pages)('every block of TypeScript in %s is the file that it names, comments left out', page => {
  const blocks = [...read(page).matchAll(/(?:<!-- (\S+) -->\n)?```ts\n([\s\S]*?)```/g)]
  for (const [, file, block] of blocks) {
    const source = readFileSync(resolve(root, file ?? 'a block names no file'), 'utf8')
    expect(source.replaceAll(/^\/\/.*\n/gm, '').trim()).toBe(block?.trim())
  }
})

test.each(pages)('every command in %s exists', page => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts
  for (const [, script] of read(page).matchAll(/\bnpm run ([a-z]+)/g))
    expect(Object.keys(scripts)).toContain(script)
  for (const [, command] of read(page).matchAll(/\b(?:npx )?valetkey ([a-z]+) [^\n]*/g))
    if (!NO_COMMANDS.has(command ?? '')) expect(Object.keys(COMMANDS)).toContain(command)
})
