import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

/** Ids are random: what a golden output shows of them is their kind. */
const plain = (text: string) =>
  text.replaceAll(/\b([a-z]{3})_[0-9a-z]{26}\b/g, '$1_…').replaceAll(/ +$/gm, '')

test('people get a table without boxes, with times as they say them', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  product.passTime(3 * 3_600_000)
  const { out, err, code } = await terminal.valetkey(['agent', 'ls'], { isTerminal: true, columns: 120 })
  expect(plain(out)).toBe(
    [
      'NAME         STATUS  KIND        OWNER                CEILING     CREATED  ID',
      'support-bot  active  autonomous  maya@northwind.test  invoices:*  3 h ago  agt_…',
      '',
    ].join('\n'),
  )
  expect({ err, code }).toEqual({ err: '', code: 0 })
})

test('a narrow terminal shortens in the middle, and -o wide shortens nothing', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const narrow = await terminal.valetkey(['agent', 'ls'], { isTerminal: true, columns: 80 })
  expect(Math.max(...narrow.out.split('\n').map(line => line.length))).toBeLessThanOrEqual(80)
  expect(narrow.out).toContain('…')
  const wide = await terminal.valetkey(['agent', 'ls', '-o', 'wide'], { isTerminal: true, columns: 80 })
  expect(wide.out).not.toContain('…')
  expect(wide.out).toContain('ORGANIZATION')
})

test('programs get tabs and RFC 3339', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const { out } = await terminal.valetkey(['agent', 'ls'])
  expect(plain(out)).toBe(
    'NAME\tSTATUS\tKIND\tOWNER\tCEILING\tCREATED\tID\n' +
      'support-bot\tactive\tautonomous\tmaya@northwind.test\tinvoices:*\t2027-01-01T00:00:00.000Z\tagt_…\n',
  )
})

test('data comes as JSON with its version and kind, as YAML, NDJSON, CSV and names', async () => {
  await using product = await start()
  const { agent } = await northwind(product)
  await using terminal = await openTerminal(product)
  const print = async (...argv: string[]) => (await terminal.valetkey(['agent', ...argv])).out
  const list = { apiVersion: 'v1', kind: 'AgentList', items: [agent] }
  expect(JSON.parse(await print('ls', '--json'))).toEqual(list)
  expect(JSON.parse(await print('ls', '-o', 'json'))).toEqual(list)
  expect(JSON.parse(await print('get', 'support-bot', '--json'))).toEqual({
    apiVersion: 'v1',
    kind: 'Agent',
    item: agent,
  })
  expect(await print('ls', '-o', 'yaml')).toMatch(/^apiVersion: v1\nkind: AgentList\nitems:\n {2}- id: agt_/)
  expect(
    (await print('ls', '-o', 'ndjson'))
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line)),
  ).toEqual([agent])
  expect(await print('ls', '-o', 'name')).toBe('support-bot\n')
  expect(await print('ls', '-o', 'csv', '--columns', 'name,purpose,owner')).toBe(
    'NAME,PURPOSE,OWNER\r\nsupport-bot,,maya@northwind.test\r\n',
  )
})

test('colour is for verdicts alone, and obeys NO_COLOR, FORCE_COLOR and --color', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const red = '\u001b[31mDENY\u001b[39m'
  const env = { VALETKEY_URL: 'https://auth.test', VALETKEY_TOKEN: product.adminToken }
  const check = async (options: object, ...more: string[]) =>
    (await terminal.valetkey(['check', 'support-bot', 'refund', '--server', 'billing', ...more], options)).out
  expect(await check({ isTerminal: true })).toContain(red)
  expect(await check({})).not.toContain('\u001b')
  expect(await check({ isTerminal: true, env: { ...env, NO_COLOR: '1' } })).not.toContain('\u001b')
  expect(await check({ env: { ...env, FORCE_COLOR: '1' } })).toContain(red)
  expect(await check({ env: { ...env, NO_COLOR: '1' } }, '--color', 'always')).toContain(red)
  expect(await check({ isTerminal: true }, '--color', 'never')).not.toContain('\u001b')
})

test('what others wrote cannot move the cursor or break a row', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'North' })
  await admin.people.create({ email: 'eve@northwind.test', name: 'Eve' })
  await admin.agents
    .create({ name: 'x', owner: 'eve@northwind.test', purpose: 'a\tb\u001b[2J', ceiling: [] })
    .catch(() =>
      admin.agents.create({ name: 'x', owner: 'eve@northwind.test', purpose: 'plain', ceiling: [] }),
    )
  await using terminal = await openTerminal(product)
  const { out } = await terminal.valetkey(['agent', 'ls', '-o', 'wide'], { isTerminal: true })
  expect(out).not.toContain('\u001b[2J')
  expect(out.split('\n')).toHaveLength(3)
})

test.each([
  [
    ['agnet', 'ls'],
    2,
    'error: Unknown command "agnet".\n  why: There is no such command. Did you mean "agent"?\n  fix: See them all: valetkey --help [usage]\n',
  ],
  [
    ['agent', 'lst'],
    2,
    'error: Unknown command "lst".\n  why: Did you mean ls?\n  fix: Read the help: add --help to the command. [usage]\n',
  ],
  [
    ['agent', 'ls', '--jsn'],
    2,
    'error: Unknown option "--jsn".\n  why: Did you mean --json?\n  fix: Read the help: add --help to the command. [usage]\n',
  ],
  [
    ['agent', 'get', 'support-bto'],
    4,
    'error: There is no agent "support-bto". Did you mean "support-bot"?\n  why: The named thing does not exist here.\n  fix: List what there is: the same command with "ls". [not_found]\n',
  ],
  [
    ['agent', 'create', 'support-bot', '--owner', 'maya@northwind.test'],
    5,
    'error: There is an agent "support-bot" in northwind already.\n  why: A thing of that name exists already.\n  fix: Choose another name, or change the one that exists with "set". [conflict.exists]\n',
  ],
])('%j fails in three lines on stderr, and with its number', async (argv, code, err) => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  expect(await terminal.valetkey(argv)).toEqual({ code, out: '', err })
})

test('who is not signed in or not allowed ends with 3, who reaches nobody with 6, what is invalid with 7', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const codeOf = async (argv: string[], env: Record<string, string>) =>
    (await terminal.valetkey(argv, { env })).code
  const url = { VALETKEY_URL: 'https://auth.test' }
  expect(await codeOf(['agent', 'ls'], url)).toBe(3)
  expect(await codeOf(['agent', 'ls'], { ...url, VALETKEY_TOKEN: 'vk_wrong' })).toBe(3)
  expect(await codeOf(['agent', 'ls'], { VALETKEY_URL: 'http://127.0.0.1:1', VALETKEY_TOKEN: 'x' })).toBe(6)
  const admin = { ...url, VALETKEY_TOKEN: product.adminToken }
  expect(
    await codeOf(['check', 'support-bot', 'x', '--server', 'billing', '--args', '@no.json'], admin),
  ).toBe(2)
  expect(await codeOf(['person', 'create', 'not-an-address', '--name', 'x'], admin)).toBe(7)
})

test('every command begins its help with two examples of itself', async () => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  const visit = async (path: string[]): Promise<void> => {
    const { out, code } = await terminal.valetkey([...path, '--help'])
    expect(code, path.join(' ')).toBe(0)
    const examples = /^Examples:\n((?: {2}.+\n)+)/.exec(out)?.[1]?.match(/\bvaletkey /g) ?? []
    expect(examples.length, path.join(' ')).toBeGreaterThanOrEqual(2)
    const commands = /\nCommands:\n([\s\S]*)$/.exec(out)?.[1] ?? ''
    for (const [, name = ''] of commands.matchAll(/^ {2}([a-z-]+)/gm))
      if (name !== 'help') await visit([...path, name])
  }
  await visit([])
})
