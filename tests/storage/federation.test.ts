import { isoTime } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import * as directory from '../../packages/server/src/directory/index.ts'
import {
  endAtProvider,
  endFromProvider,
  isLiveThere,
  noteSession,
} from '../../packages/server/src/people/federation/sessions.ts'
import { createScim } from '../../packages/server/src/people/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'

const NOW = Date.parse('2027-01-01T00:00:00Z')
const SAID = {
  subject: 'sub-maya',
  email: 'maya@northwind.test',
  isEmailVerified: true,
  name: 'Maya',
  groups: [],
}

function contextOf(store: Store): directory.Context {
  return { store, now: () => NOW, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

/** Two organizations, a provider of the first that may make people, and its proved domain. */
async function found(store: Store) {
  const ctx = contextOf(store)
  for (const slug of ['northwind', 'contoso']) await directory.createOrganization(ctx, { slug, name: slug })
  const organization = 'northwind'
  await directory.createPermission(ctx, {
    slug: 'tickets:read',
    type: 'organization',
    label: '',
    risk: 'read',
    condition: null,
  })
  await directory.createRole(ctx, {
    slug: 'helper',
    name: '',
    type: 'organization',
    permissions: ['tickets:read'],
  })
  const oidc = { ...OIDC, issuer: 'https://idp.test', clientId: 'valetkey' }
  const roles = [{ group: 'help', role: 'helper' }]
  const input = { organization, name: 'idp', title: '', oidc, provisions: true, revokesOnLogout: true, roles }
  const { id } = await directory.createProvider(ctx, input)
  await directory.claimDomain(ctx, { organization, domain: 'northwind.test', provider: 'idp' })
  await directory.trustDomain(ctx, { organization, domain: 'northwind.test' })
  const provider = await directory.findProvider(store.db, id)
  if (!provider) throw new Error('no provider')
  return { ctx, organization, provider }
}

const OIDC = {
  ...{ scopes: ['openid'], emailClaim: 'email', nameClaim: 'name', groupsClaim: 'groups' },
  takesUnverifiedEmail: false,
}

describeOnBoth('identity providers', (open, { dialect }) => {
  test('of many who come at once with one subject one person is made', async () => {
    const store = await open()
    const { ctx, organization, provider } = await found(store)
    const all = await Promise.all(Array.from({ length: 8 }, () => directory.admit(ctx, provider, SAID)))
    expect(new Set(all.map(admission => JSON.stringify(admission))).size).toBe(1)
    const people = await directory.listPeople(ctx, { organization, limit: 10 })
    expect(people.items).toMatchObject([{ email: 'maya@northwind.test', managedBy: provider.id }])
    // Of two subjects that come with one address at once one has it.
    const two = await Promise.all(
      ['a', 'b'].map(subject =>
        directory.admit(ctx, provider, { ...SAID, subject, email: 'lea@northwind.test' }),
      ),
    )
    expect(two.filter(admission => 'person' in admission)).toHaveLength(1)
    expect(two).toContainEqual({ refused: 'address_taken' })
  })

  test('a domain is proved by one organization, however many try at once', async () => {
    const store = await open()
    const { ctx } = await found(store)
    const claims = ['northwind', 'contoso'].map(organization => ({ organization, domain: 'Both.Test' }))
    for (const claim of claims) await directory.claimDomain(ctx, claim)
    const results = await Promise.allSettled(
      claims.map(claim => directory.verifyDomain(ctx, claim, async () => tokens(store))),
    )
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const rows = await store.db
      .selectFrom('identityDomain')
      .selectAll()
      .where('domain', '=', 'both.test')
      .execute()
    expect(rows.filter(row => row.verifiedAt !== null)).toHaveLength(1)
  })

  test('groups of sign-ins come and go as roles, each in a revision of its own', async () => {
    const store = await open()
    const { ctx, organization, provider } = await found(store)
    const revision = async () => (await directory.showOrganization(ctx, { id: organization })).revision
    const roles = async () =>
      (await directory.listAssignments(ctx, { organization, limit: 10 })).items.map(({ source, role }) => [
        source,
        role,
      ])
    await directory.admit(ctx, provider, { ...SAID, groups: ['help', 'others'] })
    expect(await roles()).toEqual([['idp', 'helper']])
    const before = await revision()
    await directory.admit(ctx, provider, { ...SAID, groups: ['others', 'help'] })
    expect(await revision()).toBe(before)
    await directory.admit(ctx, provider, { ...SAID, groups: [] })
    expect([await roles(), await revision()]).toEqual([[], before + 1])
  })

  test('a sign-out at the provider ends its sessions, once or twice', async () => {
    const store = await open()
    const { ctx, organization, provider } = await found(store)
    const admitted = await directory.admit(ctx, provider, SAID)
    if (!('person' in admitted)) throw new Error('nobody')
    const said = {
      ...{ organization: provider.organizationId, provider: provider.id, person: admitted.person },
      saidAt: NOW,
    }
    for (const sid of ['one', 'two'])
      await noteSession(store, `session-${sid}`, { ...said, signOutName: 'sub-maya', sid, logout: 'x' }, NOW)
    expect(await endFromProvider(ctx, provider, { subject: 'sub-maya', sid: 'one' })).toMatchObject({
      sessions: 1,
    })
    expect(await endFromProvider(ctx, provider, { subject: 'sub-maya', sid: 'one' })).toMatchObject({
      sessions: 1,
    })
    expect(await Promise.all(['one', 'two'].map(sid => isLiveThere(store.db, `session-${sid}`)))).toEqual([
      false,
      true,
    ])
    for (const status of ['disabled', 'active'] as const)
      await directory.updateProvider(ctx, { organization, provider: 'idp', status })
    expect(await isLiveThere(store.db, 'session-two')).toBe(false)
  })

  test('who is signed out there while still on the way in is not signed in here, and later is', async () => {
    const store = await open()
    const { ctx, provider } = await found(store)
    const admitted = await directory.admit(ctx, provider, SAID)
    if (!('person' in admitted)) throw new Error('nobody')
    const minute = 60_000
    const said = { organization: provider.organizationId, provider: provider.id, person: admitted.person }
    const isLive = async (name: string, sid: string | null, saidAt: number) => {
      await noteSession(store, name, { ...said, signOutName: 'sub-maya', sid, logout: 'x', saidAt }, NOW)
      return isLiveThere(store.db, name)
    }
    await endFromProvider(ctx, provider, { subject: 'sub-maya', sid: 'one' })
    expect(await isLive('of that session', 'one', NOW - minute)).toBe(false)
    expect(await isLive('of another session', 'two', NOW - minute)).toBe(true)
    expect(await isLive('since then', 'one', NOW + minute)).toBe(true)
    await endFromProvider(ctx, provider, { subject: 'sub-maya', sid: undefined })
    expect(await isLive('of the person', 'three', NOW - minute)).toBe(false)
    // What is told late, of a moment before, takes back nothing of it.
    const before = NOW - 5 * minute
    await isLive('of long ago', 'zero', before)
    await endAtProvider(ctx, provider, { person: admitted.person, sid: undefined, before })
    expect(await isLive('of the person still', 'four', NOW - minute)).toBe(false)
    await endFromProvider(ctx, provider, { subject: 'somebody-else', sid: undefined })
    expect(await isLive('of the person, since then', null, NOW + minute)).toBe(true)
  })

  test('a subject that nothing can be told by is nobody', async () => {
    const store = await open()
    const { ctx, provider } = await found(store)
    for (const subject of ['', 'a\u0000b', 'x'.repeat(513)])
      expect(await directory.admit(ctx, provider, { ...SAID, subject })).toEqual({
        refused: 'subject_strange',
      })
  })

  test('whom a provider made, nobody manages once it is removed', async () => {
    const store = await open()
    const { ctx, organization, provider } = await found(store)
    await directory.admit(ctx, provider, SAID)
    const people = () =>
      store.db.selectFrom('principal').select('managedBy').where('kind', '=', 'user').execute()
    expect(await people()).toEqual([{ managedBy: provider.id }])
    await directory.removeProvider(ctx, { organization, provider: 'idp' })
    expect(await people()).toEqual([{ managedBy: null }])
  })

  test('a directory provisions, filters and deletes the same on both', async () => {
    const store = await open()
    const { ctx, organization } = await found(store)
    const { token } = await directory.createScimToken(ctx, {
      organization,
      name: 'd',
      provider: 'idp',
      expiresAt: null,
    })
    const send = await scim(store, token ?? '')
    const { id } = await send('POST', '/Users', { userName: 'Ann@northwind.test', externalId: 'X1' })
    await send('POST', '/Users', { userName: 'bo@northwind.test' })
    const group = await send('POST', '/Groups', { displayName: 'help', members: [{ value: id }] })
    expect((await send('GET', '/Users?filter=userName%20eq%20%22ANN@northwind.test%22')).totalResults).toBe(1)
    expect((await send('GET', '/Users?filter=externalId%20eq%20%22X1%22')).totalResults).toBe(1)
    expect((await send('GET', `/Groups?filter=members%20eq%20%22${id}%22`)).Resources).toMatchObject([
      { id: group.id },
    ])
    const pages = await Promise.all([1, 2].map(n => send('GET', `/Users?startIndex=${n}&count=1`)))
    const names = pages.flatMap(page => page.Resources.map((user: { userName: string }) => user.userName))
    expect(names.sort()).toEqual(['ann@northwind.test', 'bo@northwind.test'])
    const { items } = await directory.listAssignments(ctx, { organization, limit: 10 })
    expect(items).toMatchObject([{ principal: group.id, source: 'idp' }])
    await send('DELETE', `/Users/${id}`)
    expect((await send('GET', `/Groups/${group.id}`)).members).toBeUndefined()
    const again = await send('POST', '/Users', { userName: 'ann@northwind.test' })
    expect(again.id).not.toBe(id)
    await send('DELETE', `/Groups/${group.id}`)
    expect(await store.db.selectFrom('scimGroup').select('groupId').execute()).toEqual([])
    expect((await directory.listAssignments(ctx, { organization, limit: 10 })).items).toEqual([])
  })

  test('what is of one organization, the tables themselves keep from another', async () => {
    const store = await open()
    const { ctx, provider } = await found(store)
    const { id: contoso } = await directory.showOrganization(ctx, { id: 'contoso' })
    const { id: kim } = await directory.createPerson(ctx, {
      organization: 'contoso',
      email: 'kim@contoso.test',
      name: 'Kim',
    })
    const at = isoTime(NOW)
    const link = {
      id: 'lnk_x',
      providerId: provider.id,
      subject: 's',
      personId: kim,
      groupNames: '[]',
      createdAt: at,
      lastUsedAt: at,
    }
    for (const organizationId of [contoso, provider.organizationId]) {
      const insert = store.write(tx =>
        tx
          .insertInto('identityLink')
          .values({ ...link, organizationId })
          .execute(),
      )
      await expect(insert).rejects.toThrow(dialect === 'postgres' ? /foreign key/ : /FOREIGN KEY/)
    }
  })
})

async function tokens({ db }: Store): Promise<string[]> {
  const rows = await db.selectFrom('identityDomain').select('token').execute()
  return rows.map(({ token }) => `valetkey-domain=${token}`)
}

async function scim(store: Store, token: string) {
  const { app } = createScim({
    ...{ store, issuer: 'https://auth.test', now: () => NOW, addressOf: () => '127.0.0.1' },
    readBody: request => request.json(),
    onFault(fault) {
      throw fault
    },
  })
  return async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}` }
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    const response = await app.fetch(new Request(`https://auth.test/scim/v2/northwind${path}`, init))
    if (response.status === 204) return {}
    const answer = await response.json()
    if (response.status >= 400) throw new Error(JSON.stringify(answer))
    return answer
  }
}
