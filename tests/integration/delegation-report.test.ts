import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

/** A writer and a clerk who may ask it, through a third one in between. */
const POLICY = `
version: 1
organization: northwind
people:
  maya@northwind.test: { name: Maya }
resourceTypes:
  customer: {}
resources:
  customer/acme: {}
permissions:
  invoices:read: { type: customer, risk: read }
  invoices:refund: { type: customer, risk: dangerous }
roles:
  reader: { permissions: [invoices:read] }
  refunder: { type: customer, permissions: [invoices:refund] }
agents:
  clerk: { owner: maya@northwind.test, ceiling: ['invoices:*'], roles: [reader] }
  between: { owner: maya@northwind.test, ceiling: ['invoices:*'], roles: [reader] }
  writer: { owner: maya@northwind.test, ceiling: ['invoices:*'], roles: [reader] }
assignments:
  - { to: 'agent:writer', role: refunder, on: customer/acme }
delegations:
  - { from: 'agent:clerk', to: 'agent:between' }
  - { from: 'agent:between', to: 'agent:writer' }
`

async function inFolder<T>(text: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-lint-'))
  try {
    await writeFile(join(folder, 'policy.yaml'), text)
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function apply(product: Product, text: string): Promise<void> {
  await inFolder(text, async folder => {
    await using terminal = await openTerminal(product)
    const { code, err } = await terminal.valetkey(['apply', '-f', join(folder, 'policy.yaml')])
    expect(err).toBe('')
    expect(code).toBe(0)
  })
}

test('200: what an agent could cause through others, also by two steps, is found before anybody delegates', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await apply(product, POLICY)
  const { items } = await admin.delegationRules.report({})
  expect(items).toEqual([
    expect.objectContaining({ agentName: 'between', through: ['writer'], permission: 'invoices:refund' }),
    expect.objectContaining({
      ...{ agentName: 'clerk', through: ['between', 'writer'], permission: 'invoices:refund' },
      ...{ on: ['customer/acme'], accepted: false },
    }),
  ])
  expect((await admin.delegationRules.report({ agent: 'writer' })).items).toEqual([])
  await using terminal = await openTerminal(product)
  const shown = await terminal.valetkey(['what', 'clerk', '--through-delegation'])
  expect(shown.out).toContain('between > writer\tinvoices:refund\tcustomer/acme\tNO')
  await apply(
    product,
    POLICY.replace("to: 'agent:between' }", "to: 'agent:between', beyond: ['invoices:*'] }"),
  )
  const [first] = (await admin.delegationRules.report({ agent: 'clerk' })).items
  expect(first?.accepted).toBe(true)
})

test('lint finds the same in the files alone and ends with 7, and with 0 where all is known', async () => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  await inFolder(POLICY, async folder => {
    const file = join(folder, 'policy.yaml')
    const found = await terminal.valetkey(['lint', '-f', file, '--json'], { env: {} })
    expect(found.code).toBe(7)
    const { items } = JSON.parse(found.out) as { items: { agentName: string; place: string }[] }
    expect(items.map(({ agentName }) => agentName)).toEqual(['between', 'clerk'])
    expect(items[0]?.place).toMatch(/policy\.yaml:2\d:/)
  })
  const known = POLICY.replaceAll(/(to: 'agent:(?:between|writer)') }/g, "$1, beyond: ['invoices:refund'] }")
  await inFolder(known, async folder => {
    const { code } = await terminal.valetkey(['lint', '-f', folder], { env: {} })
    expect(code).toBe(0)
  })
  await inFolder(POLICY.replace('agent:between', 'agent:nobody'), async folder => {
    const { code, err } = await terminal.valetkey(['lint', '-f', folder], { env: {} })
    expect(code).toBe(7)
    expect(err).toContain('nobody')
  })
})
