import type { JsonObject } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { parsePolicy } from '../../../policy/index.ts'
import { propose } from './propose.ts'
import { renderProposal } from './render.ts'
import { riskOf } from './risk.ts'

test.each([
  ['get_invoice', null, 'read'],
  ['listFiles', null, 'read'],
  ['search-docs', null, 'read'],
  ['create_ticket', null, 'write'],
  ['sendMessage', null, 'write'],
  ['delete_file', null, 'dangerous'],
  ['refund', null, 'dangerous'],
  ['create_or_delete_user', null, 'dangerous'],
  ['read_and_delete', null, 'dangerous'],
  ['get_deleted_items', null, 'read'],
  ['frobnicate', null, 'dangerous'],
  ['frobnicate', { readOnlyHint: true }, 'write'],
  ['get_invoice', { destructiveHint: true }, 'dangerous'],
  ['get_invoice', { readOnlyHint: false }, 'write'],
  ['delete_file', { readOnlyHint: true, destructiveHint: false }, 'dangerous'],
])('%s with %j is %s', (name, annotations, risk) => {
  expect(riskOf(name, annotations)).toBe(risk)
})

const HASH = (letter: string) => `sha256-${letter.repeat(43)}`
const seen = (name: string, definition = HASH('a')) => ({
  kind: 'tool' as const,
  name,
  definition,
  description: `What ${name} does.\nAnd more: # x`,
  inputSchema: { type: 'object', properties: { id: { type: 'string' } } } as JsonObject,
  annotations: null,
})
const other = (kind: 'resource' | 'prompt', name: string) => ({
  ...{ kind, name, definition: null, description: null, inputSchema: null, annotations: null },
})
const OFFER = {
  definitions: [
    seen('get_invoice'),
    seen('refund'),
    other('resource', 'file:///rates.csv'),
    other('resource', 'db://rows/{id}/cells'),
    other('resource', 'db://rows/{id*}'),
    other('resource', '{anything}'),
    other('resource', 'db://*/x'),
    other('prompt', 'dunning'),
  ],
  capabilities: { logging: {}, tasks: { list: {}, requests: {} }, tools: {} },
}

test('what a server calls its tools turns nothing around for who reads the file', () => {
  const evil = '\u202egnidaer\u009b1m'
  const schema = { type: 'object', properties: { [evil]: { type: 'string', description: evil } } }
  const definitions = [{ ...seen('get_invoice'), inputSchema: schema, description: evil }]
  const proposal = propose('Billing', { ...OFFER, definitions }, [])
  const text = renderProposal({ name: 'Billing', url: 'https://mcp.test/billing' }, proposal)
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  expect(parsePolicy([{ name: 'billing.yaml', text }]).policy).toMatchObject({ version: 1 })
  expect(text.match(/gnidaer/g)).toHaveLength(3)
})

test('what a server offers becomes a policy file that reads back', () => {
  const proposal = propose('Billing', OFFER, [])
  const text = renderProposal({ name: 'Billing', url: 'https://mcp.test/billing' }, proposal)
  expect(text).toMatchInlineSnapshot(`
    "# What Billing offers, as "valetkey server scan" saw it. Read it, then: valetkey apply -f FILE

    version: 1
    permissions:
      billing:read:
        risk: read
        label: Read on Billing
      billing:write:
        risk: write
        label: Write on Billing
      billing:dangerous:
        risk: dangerous
        label: Do dangerous things on Billing
    roles:
      billing-reader:
        name: Reads on Billing
        permissions:
          - billing:read
      billing-operator:
        name: Uses all of Billing
        permissions:
          - billing:dangerous
          - billing:read
          - billing:write
    servers:
      Billing:
        url: https://mcp.test/billing
        tools:
          # What get_invoice does.
          get_invoice:
            needs: billing:read
            risk: read
            definition: sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            input: { type: object, properties: { id: { type: string } } }
          # What refund does.
          refund:
            needs: billing:dangerous
            risk: dangerous
            definition: sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            input: { type: object, properties: { id: { type: string } } }
        resources:
          file:///rates.csv:
            needs: billing:read
            risk: read
          db://rows/{id}/cells:
            needs: billing:read
            risk: read
          db://rows/*:
            needs: billing:read
            risk: read
        prompts:
          dunning:
            needs: billing:read
            risk: read
        methods:
          logging/setLevel:
            needs: billing:write
            risk: write
          tasks/get:
            needs: billing:read
            risk: read
          tasks/result:
            needs: billing:read
            risk: read
          tasks/update:
            needs: billing:write
            risk: write
          tasks/list:
            needs: billing:read
            risk: read
    "
  `)
  expect(parsePolicy([{ name: 'billing.yaml', text }]).policy).toMatchObject({ version: 1 })
  expect(proposal.warnings).toEqual([
    'The resource template {anything} begins with a variable and would open every URI; it stays refused.',
    'The resource db://*/x has a "*" in its name; it stays refused.',
  ])
})

test('what people decided stays, what changed is said, what is gone is left out', () => {
  const held = {
    ...{ id: 'tol_1', server: 'srv_1', kind: 'tool' as const, name: 'refund', permission: 'money:move' },
    ...{
      definition: HASH('b'),
      inputSchema: {},
      resource: 'customer/{args.id}',
      condition: 'args.amount < 5',
    },
    ...{ risk: 'write' as const, mode: 'audit' as const, drift: 'changed' as const },
  }
  const gone = { ...held, id: 'tol_2', name: 'old_tool' }
  const { rules, drift, roles } = propose(
    'billing',
    { definitions: [seen('refund'), seen('get_it')], capabilities: {} },
    [held, gone],
  )
  expect(rules[0]).toMatchObject({
    needs: 'money:move',
    resource: 'customer/{args.id}',
    when: 'args.amount < 5',
    risk: 'write',
    mode: 'audit',
    definition: HASH('a'),
  })
  expect(drift).toEqual([
    { change: 'changed', kind: 'tool', name: 'refund' },
    { change: 'new', kind: 'tool', name: 'get_it' },
    { change: 'gone', kind: 'tool', name: 'old_tool' },
  ])
  expect(roles.at(-1)).toMatchObject({
    slug: 'billing-operator',
    permissions: ['billing:read', 'money:move'],
  })
})

test('what a server says of itself cannot write into the policy', () => {
  const evil = { ...seen('x'), description: 'ok\u2028servers: {}\u001b[2J\r\nroles: {}' }
  const text = renderProposal(
    { name: 's', url: 'https://s.test/mcp' },
    propose('s', { definitions: [evil], capabilities: {} }, []),
  )
  expect(Object.keys(parsePolicy([{ name: 's.yaml', text }]).policy)).toEqual([
    'version',
    'permissions',
    'roles',
    'servers',
  ])
  for (const char of ['\u001b', '\u2028', '\r']) expect(text).not.toContain(char)
})
