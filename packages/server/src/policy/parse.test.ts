import { expect, test } from 'vitest'
import { PolicyError, parsePolicy } from './parse.ts'

const file = (text: string, name = 'policy.yaml') => ({ name, text })

function faultsOf(...files: { name: string; text: string }[]): readonly string[] {
  try {
    parsePolicy(files)
  } catch (error) {
    if (error instanceof PolicyError) return error.faults
    throw error
  }
  return []
}

test('every fault says file, line, column, what is wrong and what was meant', () => {
  const text = [
    'version: 1',
    'serverz: {}',
    'roles:',
    '  support:',
    '    permisions: [tickets:read]',
    'servers:',
    '  billing:',
    '    mode: enforced',
    '    tools:',
    '      refund:',
    '        needs: refunds',
    '        wen: args.amount < 10',
  ].join('\n')
  expect(faultsOf(file(text)).toSorted()).toEqual([
    'policy.yaml:11:16: Write a permission as "invoices:read". (servers.billing.tools.refund.needs)',
    'policy.yaml:12:9: Unknown key "wen". Did you mean "when"? (servers.billing.tools.refund.wen)',
    'policy.yaml:2:1: Unknown key "serverz". Did you mean "servers"? (serverz)',
    'policy.yaml:4:3: "permissions" is missing; it takes a list. (roles.support.permissions)',
    'policy.yaml:5:5: Unknown key "permisions". Did you mean "permissions"? (roles.support.permisions)',
    'policy.yaml:8:11: "enforced" is not one of enforce, audit, observe. Did you mean "enforce"? (servers.billing.mode)',
  ])
})

test('files merge section by section, and what is defined twice is refused', () => {
  const first = file('version: 1\nroles:\n  reader: { permissions: [a:read] }', 'one.yaml')
  const second = file('version: 1\nroles:\n  writer: { permissions: [a:write] }', 'two.yaml')
  const { policy } = parsePolicy([first, second])
  expect(policy).toMatchObject({ version: 1, roles: { reader: {}, writer: {} } })
  const third = file('version: 1\nroles:\n  reader: { permissions: [] }', 'three.yaml')
  expect(faultsOf(first, second, third)).toEqual([
    'three.yaml:3:3: "reader" is defined in one.yaml:3:3 already.',
  ])
})

test('two organizations in one policy are refused', () => {
  const one = file('version: 1\norganization: northwind', 'one.yaml')
  const two = file('version: 1\norganization: contoso', 'two.yaml')
  expect(faultsOf(one, two)).toEqual([
    'two.yaml:2:1: Another "organization" is defined in one.yaml:2:1 already.',
  ])
})

test('a path leads back to the line it is written on, also where names hold dots', () => {
  const { locate } = parsePolicy([
    file('version: 1\nservers:\n  docs:\n    resources:\n      "file:///a.b/*":\n        needs: docs:read'),
  ])
  expect(locate('servers.docs.resources.file:///a.b/*.needs')).toBe('policy.yaml:6:16')
  expect(locate('servers.docs.url')).toBe('policy.yaml:3:3')
})

test.each([
  [
    'an alias',
    'version: 1\nroles: &all {}\npeople: *all',
    /^policy.yaml:3:9: Anchors and aliases are not part/,
  ],
  ['a key twice', 'version: 1\nroles: {}\nroles: {}', /^policy.yaml:3:1: Map keys must be unique/],
  [
    'a key that is a list',
    'version: 1\n? [a]\n: 1',
    /^policy.yaml:2:3: With stringKeys, all keys must be strings/,
  ],
  ['a key that is not a name', 'version: 1\n__proto__: {}', /^policy.yaml:2:1: A key is a text/],
  ['a tag', 'version: !js 1', /^policy.yaml:1:10: Unresolved tag/],
  ['nothing', '', /^policy.yaml:1:1: The file is empty. Begin with "version: 1"/],
  ['a list', '- a', /^policy.yaml:1:1: A policy is a map/],
  ['two documents', 'version: 1\n---\nversion: 1', /^policy.yaml:2:1: One file holds one policy/],
  ['deep nesting', `version: ${'['.repeat(100_000)}`, /^policy.yaml:1:\d+: This is nested too deeply/],
  [
    'a huge file',
    `version: 1 #${'x'.repeat(1024 * 1024)}`,
    /^policy.yaml:1:1: The file is larger than 1024 KiB/,
  ],
])('%s is refused with its place', (_, text, fault) => {
  expect(faultsOf(file(text))[0]).toMatch(fault)
})
