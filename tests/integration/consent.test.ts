import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { grantFact } from '../../packages/server/src/directory/index.ts'
import { beginChange } from '../../packages/server/src/store/index.ts'
import type { Person } from '../e2e/person.ts'
import type { Shown } from './browser.ts'
import { LOOPBACK, SCOPES, type Site, startSite, type TestClient } from './consent-site.ts'

let site: Site
let maya: Person

beforeAll(async () => {
  site = await startSite()
  maya = await site.person('maya@northwind.test', 'Maya')
}, 60_000)

afterAll(() => site?.[Symbol.asyncDispose]())

const grantsOf = async (client: TestClient) =>
  (await site.api.grants.list({ agent: client.id, limit: 200 })).items
const scopesOn = ({ text }: Shown) =>
  [...text.matchAll(/name="scope" value="([^"]+)"/g)].map(([, slug]) => slug)
const tickedOn = ({ text }: Shown) =>
  [...text.matchAll(/name="scope" value="([^"]+)" checked/g)].map(([, slug]) => slug)

/** Answers a request with these ticks, and gives the token. */
async function tokenBy(client: TestClient, asked: string[], scope?: string[]) {
  const back = await maya.decide(site.ask(client, { scope: asked }), scope && { scope })
  return site.redeem(client, back)
}

test('what is granted is what was asked, ticked, within the ceiling, and held at that moment', async () => {
  const roleOf = (scope: string) => `on-${scope.replace(':', '-')}`
  const some = fc.subarray(SCOPES)
  let runs = 0
  const email = 'pia@northwind.test'
  const pia = await site.person(email, 'Pia', [])
  await fc.assert(
    fc.asyncProperty(some, some, some, some, some, async (asked, ticked, ceiling, held, lost) => {
      const name = `agent-${++runs}`
      const given = new Map<string, string>()
      await site.api.assignments.clear({ principal: `user:${email}` })
      for (const scope of held) {
        const on = { principal: `user:${email}`, role: roleOf(scope), resource: 'customer/acme' }
        given.set(scope, (await site.api.assignments.create(on)).id)
      }
      const client = await site.agent(name, { ceiling })
      const page = await pia.look(site.ask(client, { scope: asked.length > 0 ? asked : ['none:asked'] }))
      const offered = asked.filter(scope => ceiling.includes(scope) && held.includes(scope))
      expect(scopesOn(page).sort()).toEqual([...offered].sort())
      // Between the look and the answer the person loses some of it.
      for (const scope of lost)
        if (given.has(scope)) await site.api.assignments.remove({ id: given.get(scope) ?? '' })
      // Whatever a forged form ticks.
      const answered = await pia.answer(page, { scope: ticked })
      const granted = offered.filter(scope => ticked.includes(scope) && !lost.includes(scope)).sort()
      const [grant] = (await site.api.grants.list({ agent: name })).items
      if (granted.length === 0) {
        expect([answered.leaves, grant]).toEqual([null, undefined])
        return
      }
      expect([...(grant?.scopes ?? []), ...Object.keys(grant?.elevated ?? {})].sort()).toEqual(granted)
      const token = await site.redeem(client, answered.leaves as URL)
      expect(token.scope?.split(' ').sort()).toEqual(granted)
    }),
    { numRuns: 40 },
  )
}, 120_000)

test('what is dangerous is held for an hour, beside what is held for longer, and is asked each time', async () => {
  const client = await site.agent('refunder')
  const page = await maya.look(site.ask(client))
  expect(tickedOn(page)).toEqual(['invoices:read', 'tickets:read'])
  expect(page.text).toContain('for one hour at most, then you are asked again')
  const answer = await maya.answer(page, {
    scope: ['invoices:read', 'invoices:refund'],
    duration: 30 * 86_400,
  })
  const token = await site.redeem(client, answer.leaves as URL)
  expect(token.scope).toBe('invoices:read invoices:refund')
  const [grant] = await grantsOf(client)
  const hours = (time = '') => Math.round((Date.parse(time) - Date.now()) / 3_600_000)
  expect(grant).toMatchObject({ scopes: ['invoices:read'], serverName: 'desk', source: 'consent' })
  expect([hours(grant?.elevated['invoices:refund']), hours(grant?.expiresAt ?? '')]).toEqual([1, 720])
  // What is remembered of it is nothing.
  const again = await maya.look(site.ask(client, { scope: ['invoices:read', 'invoices:refund'] }))
  expect([scopesOn(again), tickedOn(again)]).toEqual([['invoices:refund'], []])
  const without = await maya.answer(again, { scope: [] })
  expect((await site.redeem(client, without.leaves as URL)).scope).toBe('invoices:read')
  expect((await grantsOf(client))[0]).toMatchObject({ elevated: {} })
})

test('alone, what is dangerous makes a grant of an hour', async () => {
  const client = await site.agent('refunder-only')
  await tokenBy(client, ['invoices:refund'], ['invoices:refund'])
  const [grant] = await grantsOf(client)
  expect(grant).toMatchObject({ scopes: [], expiresAt: grant?.elevated['invoices:refund'] })
})

test('an elevated permission is gone from tokens after its time, and the rest goes on', async () => {
  const client = await site.agent('elevated')
  const back = await maya.decide(
    site.ask(client, { scope: ['invoices:read', 'invoices:refund', 'offline_access'] }),
    { scope: ['invoices:read', 'invoices:refund'] },
  )
  const first = await site.redeem(client, back)
  expect(first.scope).toBe('invoices:read invoices:refund')
  const endAt = (until: number) =>
    site.authority.store.write(async tx => {
      const row = await tx
        .updateTable('grant')
        .set({ elevated: JSON.stringify({ 'invoices:refund': until }) })
        .where('agentId', '=', client.id)
        .returningAll()
        .executeTakeFirstOrThrow()
      const change = await beginChange(tx, row.organizationId, { actor: 'test', now: Date.now() })
      await change.log({ fact: 'grant', id: row.id, value: grantFact(row) })
    })
  await endAt(Date.now() + 2_500)
  const short = await site.refresh(client, first.refresh_token ?? '')
  const { exp = 0, iat = 0 } = decodeJwt(short.access_token ?? '')
  expect([short.scope, exp - iat <= 3]).toEqual(['invoices:read invoices:refund', true])
  await endAt(Date.now())
  expect((await site.refresh(client, short.refresh_token ?? '')).scope).toBe('invoices:read')
})

test('a grant is remembered: nothing new is no page, something new is that alone, and the token holds both', async () => {
  const client = await site.agent('copilot')
  const first = await tokenBy(client, ['tickets:read'], ['tickets:read'])
  expect(first.scope).toBe('tickets:read')
  const passed = await maya.browser.open(site.ask(client, { scope: ['tickets:read'] }))
  expect(passed.leaves?.searchParams.get('iss')).toBe(site.url)
  const second = await site.redeem(client, passed.leaves as URL)
  expect([second.scope, decodeJwt(second.access_token ?? '')['gid']]).toEqual([
    'tickets:read',
    decodeJwt(first.access_token ?? '')['gid'],
  ])

  const page = await maya.look(site.ask(client, { scope: ['tickets:read', 'tickets:write'] }))
  expect(page.text).toContain('Let copilot do more for you?')
  expect(page.text).toMatch(/It may already do this: Read tickets\..*Until .* UTC\./)
  expect([scopesOn(page), tickedOn(page)]).toEqual([['tickets:write'], []])
  expect(page.text).not.toContain('name="duration"')
  const more = await maya.answer(page, { scope: ['tickets:write'] })
  expect((await site.redeem(client, more.leaves as URL)).scope).toBe('tickets:read tickets:write')
  const grants = await grantsOf(client)
  expect(grants).toHaveLength(1)
  expect(grants[0]).toMatchObject({ scopes: ['tickets:read', 'tickets:write'] })
  const { items } = await site.api.audit.changes({ type: 'grant.changed', limit: 200 })
  const change = items.find(({ target }) => target === grants[0]?.id)
  expect(change?.detail).toMatchObject({
    before: { scopes: ['tickets:read'] },
    after: { scopes: ['tickets:read', 'tickets:write'] },
  })
})

test('who asks to be looked at again is, and what is taken away is taken from every token', async () => {
  const client = await site.agent('reviewed')
  const token = await tokenBy(
    client,
    ['tickets:read', 'tickets:write', 'offline_access'],
    ['tickets:read', 'tickets:write'],
  )
  const page = await maya.look(site.ask(client, { scope: ['tickets:read'], prompt: 'consent' }))
  expect(tickedOn(page)).toEqual(['tickets:read', 'tickets:write'])
  expect(page.text).toContain('As before: until')
  await maya.answer(page, { scope: ['tickets:read'], resource: ['customer/acme'], duration: 3_600 })
  expect(await grantsOf(client)).toMatchObject([{ scopes: ['tickets:read'], resources: ['customer/acme'] }])
  expect((await site.refresh(client, token.refresh_token ?? '')).scope).toBe('tickets:read')
  // The reduced page leads to the whole one.
  const added = await maya.look(site.ask(client, { scope: ['tickets:read', 'invoices:read'] }))
  expect(added.text).toContain('On Acme Traders.')
  const whole = await maya.answer(added, { action: 'review' })
  expect([whole.status, scopesOn(whole)]).toEqual([200, ['invoices:read', 'tickets:read']])
})

test('a program on the device, or one with a scheme, is looked at each time; one that proves itself is not', async () => {
  for (const redirect of [LOOPBACK, 'cursor://callback']) {
    const client = await site.agent(`open-${redirect.split(':')[0]}`, { redirect, isPublic: true })
    const page = await maya.look(site.ask(client, { scope: ['tickets:read'] }))
    expect(page.headers.get('content-security-policy')).toContain(
      `form-action 'self' ${redirect.startsWith('cursor') ? 'cursor:' : new URL(LOOPBACK).origin};`,
    )
    expect(page.text).toContain('Allow it only if you have just started it yourself.')
    await maya.answer(page)
    const again = await maya.look(site.ask(client, { scope: ['tickets:read'] }))
    expect([again.leaves, tickedOn(again)]).toEqual([null, ['tickets:read']])
  }
  const proven = await site.agent('proven', { redirect: LOOPBACK })
  await maya.decide(site.ask(proven, { scope: ['tickets:read'] }))
  expect((await maya.browser.open(site.ask(proven, { scope: ['tickets:read'] }))).leaves).not.toBeNull()
})

test('what was remembered counts for one agent, one server, and only while it stands', async () => {
  const client = await site.agent('forgotten')
  await tokenBy(client, ['tickets:read'], ['tickets:read'])
  const ask = (resource?: string) =>
    site.ask(client, { scope: ['tickets:read'], ...(resource && { resource }) })
  await site.api.servers.create({ name: 'other', url: 'https://other.test/mcp' })
  await site.api.tools.map({ server: 'other', kind: 'method', name: 'x', permission: 'tickets:read' })
  expect((await maya.browser.open(ask('https://other.test/mcp'))).leaves).toBeNull()
  expect((await maya.browser.open(ask())).leaves).not.toBeNull()
  const [grant] = await grantsOf(client)
  // Under the grant for one server there is no token for another.
  const form = { grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret ?? '' }
  const forOther = { ...form, grant_id: grant?.id ?? '', resource: 'https://other.test/mcp' }
  const refused = await fetch(`${site.url}/token`, { method: 'POST', body: new URLSearchParams(forOther) })
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'invalid_grant' }])
  await site.api.grants.revoke({ id: grant?.id ?? '', reason: 'test' })
  expect((await maya.browser.open(ask())).leaves).toBeNull()
})

test('of more customers than a page shows, some are searched for and chosen; what is ticked stays', async () => {
  const client = await site.agent('searcher')
  const page = await maya.look(site.ask(client))
  expect([page.text.includes('customer/c-38'), page.text.includes('name="find"')]).toEqual([false, true])
  const ticked = {
    scope: ['tickets:write'],
    resource: ['customer/c-2'],
    duration: 3_600,
    action: 'find',
  } as const
  const found = await maya.answer(page, { ...ticked, find: 'no. 38' })
  expect(found.text).toMatch(/value="customer\/c-2" checked.*value="customer\/c-38"(?! checked)/)
  expect([tickedOn(found), /value="3600" checked/.test(found.text)]).toEqual([['tickets:write'], true])
  const nothing = await maya.answer(found, { ...ticked, find: '%\'"<nobody>' })
  expect(nothing.text).toContain('Nothing of yours is called “%&#39;&quot;&lt;nobody&gt;”.')
  expect(await grantsOf(client)).toEqual([])
  const resource = ['customer/c-2', 'customer/c-38', 'customer/elsewhere']
  await maya.answer(found, { scope: ['tickets:write'], resource, duration: 3_600 })
  expect(await grantsOf(client)).toMatchObject([{ resources: ['customer/c-2', 'customer/c-38'] }])
})

test('an agent that cannot do with less gets all, or is told what is missing', async () => {
  const client = await site.agent('stubborn', {
    allOrNothing: true,
    ceiling: ['tickets:read', 'tickets:write'],
  })
  const page = await maya.look(site.ask(client))
  expect(page.text).toContain('It cannot do with less: you give all of this, or nothing.')
  expect(scopesOn(page)).toEqual([])
  const back = await maya.answer(page, { scope: ['tickets:read'] })
  expect((await site.redeem(client, back.leaves as URL)).scope).toBe('tickets:read tickets:write')
  const lea = await site.person('lea@northwind.test', 'Lea', [])
  const on = { principal: 'user:lea@northwind.test', role: 'on-tickets-read', resource: 'customer/acme' }
  await site.api.assignments.create(on)
  const stopped = await lea.look(site.ask(client))
  expect(stopped.status).toBe(403)
  expect(stopped.text).toContain('you do not hold tickets:write')
  expect(await lea.answer(stopped, {})).toMatchObject({ status: 403, leaves: null })
})

test('the organization says for how long at most, and what is proposed', async () => {
  const client = await site.agent('limited')
  const policy = await site.api.consent.update({ id: 'northwind', longestSeconds: 7 * 86_400 })
  expect(policy).toMatchObject({ longestSeconds: 604_800, proposedSeconds: 86_400, mayAdopt: null })
  try {
    const page = await maya.look(site.ask(client))
    const offered = [...page.text.matchAll(/name="duration" value="(\d+)"/g)].map(([, value]) =>
      Number(value),
    )
    expect(offered).toEqual([3_600, 86_400, 604_800])
    expect(await maya.answer(page, { duration: 30 * 86_400 })).toMatchObject({ status: 403, leaves: null })
    expect(await grantsOf(client)).toEqual([])
    await site.api.consent.update({ id: 'northwind', longestSeconds: 3_600 })
    expect(await site.api.consent.get({ id: 'northwind' })).toMatchObject({ proposedSeconds: 3_600 })
    expect(await maya.answer(page, { duration: 604_800 })).toMatchObject({ status: 403 })
    await expect(site.api.consent.update({ id: 'northwind', proposedSeconds: 86_400 })).rejects.toMatchObject(
      { status: 400, code: 'request.invalid' },
    )
  } finally {
    await site.api.consent.update({ id: 'northwind', longestSeconds: 30 * 86_400, proposedSeconds: 86_400 })
  }
})

test('whether people may take on what nobody knows is for the organization to say', async () => {
  const client = await site.register('Helper')
  expect((await maya.look(site.ask(client))).status).toBe(403)
  await site.api.consent.update({ id: 'northwind', mayAdopt: true })
  const page = await maya.look(site.ask(client))
  expect(page.text).toContain('Let “Helper” act for you?')
  expect(page.text).toContain('Nobody has checked who is behind it.')
  await site.api.consent.update({ id: 'northwind', mayAdopt: false })
  expect((await maya.answer(page)).status).toBe(403)
  await site.api.consent.update({ id: 'northwind', mayAdopt: true })
  const back = await maya.answer(page, { scope: ['tickets:read'] })
  expect((await site.redeem(client, back.leaves as URL)).scope).toBe('tickets:read')
  const { items } = await site.api.agents.list({ limit: 200 })
  const agent = items.find(({ name }) => name.startsWith('helper-'))
  expect(agent).toMatchObject({ ceiling: ['tickets:read'], ownerEmail: 'maya@northwind.test' })
  const lent = async () => (await site.api.assignments.list({ principal: `agent:${agent?.name}` })).items
  expect(await lent()).toMatchObject([{ role: 'desk', source: 'approval' }])
  // A second consent lends no second time, and with the grant goes what was lent for it.
  await maya.decide(site.ask(client, { scope: ['tickets:read', 'tickets:write'] }), {
    scope: ['tickets:write'],
  })
  expect(await lent()).toHaveLength(1)
  await site.api.grants.revokeAll({ agent: agent?.name ?? '', reason: 'left' })
  expect(await lent()).toEqual([])
  await site.api.consent.update({ id: 'northwind', mayAdopt: null })
})

test('an answer to a page that was overtaken is shown again, or changes nothing', async () => {
  const client = await site.agent('overtaken')
  await tokenBy(client, ['tickets:read'], ['tickets:read'])
  const page = await maya.look(site.ask(client, { scope: ['tickets:read', 'tickets:write'] }))
  const [grant] = await grantsOf(client)
  await site.api.grants.revoke({ id: grant?.id ?? '' })
  const again = await maya.answer(page, { scope: ['tickets:write'] })
  expect(again).toMatchObject({ status: 400, leaves: null })
  expect(again.text).toContain('Something has changed while you were reading.')
  expect((await grantsOf(client)).filter(({ status }) => status === 'live')).toEqual([])
})
