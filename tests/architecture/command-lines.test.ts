import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, type Option } from 'commander'
import { beforeAll, expect, test } from 'vitest'
import { COMMANDS } from '../../packages/server/src/cli/main.ts'
import { globalOptions } from '../../packages/server/src/cli/session.ts'
import type { Io } from '../../packages/server/src/cli/terminal/index.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'ARCHITECTURE.md', 'CHANGELOG.md'],
  ...readdirSync(resolve(root, 'docs')).map(name => `docs/${name}`),
]
const program = new Command('valetkey')

beforeAll(async () => {
  for (const load of Object.values(COMMANDS)) (await load()).register(program, {} as Io)
})

/** The command lines of every block of shell as words, up to where a comment or another program begins. */
function linesOf(page: string): string[][] {
  const text = readFileSync(resolve(root, page), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)
  return blocks.flatMap(block =>
    [...block.matchAll(/(?:^|&& |\$\()(?:[A-Z_]+=\S+ )*(?:npx )?valetkey (.+)$/gm)].map(([, line = '']) => {
      const words = line.match(/'[^']*'|"[^"]*"|[^\s'"]+(?:'[^']*'|"[^"]*")?/g) ?? []
      const end = words.findIndex(word => /^(#.*|\||>|>>|&&|;|&|--)$/.test(word))
      return words.slice(0, end < 0 ? undefined : end)
    }),
  )
}

/** The command that a line calls, and what is left of the line for it. */
function find(words: readonly string[], command: Command = program): [Command, readonly string[]] {
  const next = command.commands.find(one => one.name() === words[0])
  return next ? find(words.slice(1), next) : [command, words]
}

const isCalled = ({ long, short }: Option, flag: string) => long === flag || short === flag

test('there are many of them', () => {
  expect(pages.flatMap(linesOf).length).toBeGreaterThan(100)
})

test.each(pages)(
  'every command line of %s calls a command, with options that it has, and with all that it needs',
  page => {
    for (const words of linesOf(page)) {
      const line = `valetkey ${words.join(' ')}`
      const [command, rest] = find(words)
      if (command.commands.length > 0 && command.registeredArguments.length === 0)
        expect(
          rest.filter(word => !word.startsWith('-')),
          line,
        ).toEqual([])
      const given = rest.filter(word => /^--?[a-z]/.test(word)).map(word => word.replace(/=.*/, ''))
      for (const flag of given)
        expect(
          [...command.options, ...globalOptions()].some(one => isCalled(one, flag)),
          `${flag} in ${line}`,
        ).toBe(true)
      for (const option of command.options)
        if (option.mandatory && option.defaultValue === undefined)
          expect(
            given.some(flag => isCalled(option, flag)),
            `${option.long} in ${line}`,
          ).toBe(true)
    }
  },
)
