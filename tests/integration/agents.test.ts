import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'

test('200: an agent has an owner, and is found by id and by name', async () => {
  await using product = await start()
  const { agent, maya, organization } = await northwind(product)
  expect(agent).toMatchObject({ owner: maya.id, status: 'active', organization: organization.id })
  const admin = product.client()
  expect(await admin.agents.get({ id: 'support-bot' })).toEqual(agent)
  expect(await admin.agents.get({ id: 'Support-Bot', organization: 'northwind' })).toEqual(agent)
  expect(await admin.agents.get({ id: agent.id })).toEqual(agent)
})

test('200: a suspended agent is stopped at the next revision, and the log says who did it', async () => {
  await using product = await start()
  const { agent, organization } = await northwind(product)
  const admin = product.client()
  const after = await admin.agents.suspend({ id: 'support-bot', reason: 'leaked key' })
  expect(after.status).toBe('suspended')
  const check = await admin.decisions.check({
    agent: agent.id,
    server: 'billing',
    name: 'get_invoice',
    arguments: { id: '1' },
  })
  expect(check).toMatchObject({ decision: 'deny', reason: 'suspended' })
  const me = await admin.session.whoami({})
  expect(await product.events()).toContainEqual(
    expect.objectContaining({
      type: 'agent.suspended',
      target: agent.id,
      actor: me.id,
      organization: organization.id,
      detail: { before: 'active', after: 'suspended', reason: 'leaked key' },
    }),
  )
})
