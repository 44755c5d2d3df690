import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createStrict } from '../integration/strict-client.ts'
import { connectForPeople, Keeper, type SdkVersion } from './clients/for-people.ts'
import { type Answer, freeRedirect, invited, type Person } from './person.ts'
import { say } from './say.ts'
import { startWorld, type World } from './world.ts'

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const GLOBEX = { name: 'get_invoice', arguments: { customer: 'globex', id: 'INV-2001' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 10 } }

let world: World
let maya: Person

beforeAll(async () => {
  world = await startWorld()
  await world.api.assignments.create({ principal: 'user:maya@northwind.test', role: 'billing-analyst' })
  maya = await invited(world, 'maya@northwind.test')
}, 120_000)

afterAll(() => world?.[Symbol.asyncDispose]())

async function grants() {
  const { items } = await world.api.grants.list({ person: 'maya@northwind.test', limit: 200 })
  return items.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** A client whose person answers each page in this way. */
function connect(version: SdkVersion, answer: Answer, keeper: Keeper, person = maya) {
  const decide = (url: URL) => person.decide(url, answer)
  return connectForPeople(version, { url: world.billing.url, keeper, decide })
}

describe.each(['v1', 'v2'] as const)('SDK %s, unmodified', version => {
  test('walks from 401 to a call, with less than it asked for, until the grant is revoked', async () => {
    const keeper = new Keeper(await freeRedirect())
    const answer = { scope: ['invoices:read'], resource: ['customer/acme'] }
    const client = await connect(version, answer, keeper)
    expect(keeper.url?.searchParams.get('resource')).toBe(world.billing.url)
    expect(decodeJwt(keeper.held?.access_token ?? '')).toMatchObject({
      aud: world.billing.url,
      scope: 'invoices:read',
      sub: expect.stringMatching(/^usr_/),
      gid: expect.stringMatching(/^gnt_/),
    })
    expect(await client.call(ACME)).toMatchObject({
      isError: false,
      text: expect.stringContaining('INV-1042'),
    })
    expect(await client.call(GLOBEX)).toMatchObject({ isError: true })
    const grant = (await grants()).at(-1)
    expect(grant).toMatchObject({ scopes: ['invoices:read'], resources: ['customer/acme'], status: 'live' })
    const page = keeper.url
    await world.api.grants.revoke({ id: grant?.id ?? '' })
    // Then it has to ask the person again.
    await expect.poll(() => client.call(ACME).then(() => keeper.url !== page), { timeout: 10_000 }).toBe(true)
    await client.close().catch(() => undefined)
  })
})

test('more than was consented to is refused at the tool', async () => {
  const keeper = new Keeper(await freeRedirect())
  const client = await connect('v2', { scope: ['invoices:read'] }, keeper)
  expect(await client.call(ACME)).toMatchObject({ isError: false })
  await expect(
    Promise.race([client.call(REFUND), delay(10_000, { isError: false })]).then(
      ({ isError }) => isError,
      () => true,
    ),
  ).resolves.toBe(true)
  await client.close().catch(() => undefined)
})

test('a role that the person loses is lost to her agent at the next call', async () => {
  const nia = await world.api.people.create({ email: 'nia@northwind.test', name: 'Nia' })
  const role = await world.api.assignments.create({ principal: nia.id, role: 'support-agent' })
  const client = await connect(
    'v2',
    {},
    new Keeper(await freeRedirect()),
    await invited(world, 'nia@northwind.test'),
  )
  expect(await client.call(ACME)).toMatchObject({ isError: false })
  const acme = { tool: ACME.name, verdict: 'permit' as const, person: nia.id }
  expect(await world.calls(acme)).toMatchObject([{ person: nia.id, grant: expect.stringMatching(/^gnt_/) }])
  await world.api.assignments.remove({ id: role.id })
  await expect.poll(async () => (await client.call(ACME)).isError, { timeout: 10_000 }).toBe(true)
  await client.close()
})

test('details in a token bind every call, and what a list shows', async () => {
  const strict = createStrict(world.url, world.billing.url)
  const asked = await strict.begin('invoices:read invoices:refund')
  const details = [
    { type: 'mcp_tool', identifier: 'get_invoice' },
    { type: 'resource', identifier: 'customer/acme' },
  ]
  asked.url.searchParams.set('authorization_details', JSON.stringify(details))
  const back = await maya.decide(asked.url)
  const { access_token } = await strict.token(strict.codeForm(asked, back))
  const options = { token: access_token ?? '' }
  const seen = async (call: object) => {
    const { body } = await say(world.billing.url, 'tools/call', { ...call }, options)
    return body.result?._meta?.['valetkey/denied']?.reason ?? (body.result ? 'ok' : 'error')
  }
  expect(await seen(ACME)).toBe('ok')
  expect(await seen(GLOBEX)).toBe('grant_resource')
  expect(await seen({ name: 'list_invoices', arguments: { customer: 'acme' } })).toBe('grant_tool')
  const list = await say(world.billing.url, 'tools/list', {}, options)
  expect(list.body.result.tools.map(({ name }: { name: string }) => name)).toEqual(['get_invoice'])
})
