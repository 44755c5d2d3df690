import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf, secretOn } from '../authenticator.ts'
import { openPeopleSite, type PeopleSite } from '../people-site.ts'
import { createPerson, createReasons } from './hop.ts'
import { CLIENT, type OidcPartner, openOidcPartner, SECRET } from './oidc-partner.ts'

let site: PeopleSite
let partner: OidcPartner
const reasons = createReasons(() => site)

beforeAll(async () => {
  ;[site, partner] = await Promise.all([openPeopleSite(), openOidcPartner()])
  const scopes = ['openid', 'email', 'profile', 'groups']
  const provider = await site.api.identityProviders.create({
    ...{ name: 'okta', title: 'Okta of Northwind', secret: SECRET },
    oidc: { issuer: partner.issuer, clientId: CLIENT, scopes, groupsClaim: 'groups' },
  })
  const { callback = '', backchannelLogout = '' } = provider.paths
  partner.addClient({
    callback: site.url + callback,
    backchannelLogout: site.url + backchannelLogout,
    returnTo: `${site.url}/sign-in`,
  })
  await site.api.domains.claim({ domain: 'northwind.test', provider: 'okta' })
  await site.api.domains.trust({ domain: 'northwind.test' })
}, 60_000)

afterAll(async () => {
  await site?.close()
  await partner?.close()
})

const someone = () => createPerson(site.url, partner.issuer)
const set = (changes: object) => site.api.identityProviders.update({ provider: 'okta', ...changes })

/** Somebody whom the provider knows signs in. */
async function comes(subject: string, claims: Record<string, unknown>) {
  partner.know(subject, { email_verified: true, ...claims })
  const person = someone()
  return { person, page: await person.signInElsewhere('anybody@northwind.test') }
}

async function known(name: string) {
  const email = `${name.toLowerCase()}@northwind.test`
  return site.api.people.create({ email, name })
}

test('a person of a verified domain signs in at the provider, under whatever spelling of the address', async () => {
  await known('Maya')
  const { page } = await comes('sub-maya', { email: 'Maya@Northwind.test', name: 'Maya Lind' })
  expect([page.url, page.text]).toEqual([
    `${site.url}/account`,
    expect.stringContaining('Maya (maya@northwind.test)'),
  ])
})

test('the way there says where it goes, runs nothing, and needs no click', async () => {
  const person = someone()
  const page = await person.at(site.url).open('/sign-in')
  const left = await person.at(site.url).submit(page, { email: 'maya@northwind.test', way: 'provider' })
  expect(left.text).toContain('Okta of Northwind')
  expect(left.text).toContain(new URL(partner.issuer).host)
  expect(left.text).not.toMatch(/<script/)
  const url = new URL(/^0; url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? '')
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    ...{ client_id: CLIENT, response_type: 'code', code_challenge_method: 'S256' },
    ...{ login_hint: 'maya@northwind.test', nonce: expect.any(String), state: expect.any(String) },
  })
  expect(left.headers.getSetCookie().join()).toMatch(/Path=\/federation; Max-Age=600; HttpOnly; SameSite=Lax/)
})

test('who is not known is let in only where the provider may make people', async () => {
  reasons.expect(
    (await comes('sub-new', { email: 'new@northwind.test', name: 'New' })).page,
    'person_unknown',
  )
  await set({ provisions: true })
  const { page } = await comes('sub-new', { email: 'new@northwind.test', name: 'New\u202e One' })
  expect(page.text).toContain('new@northwind.test (new@northwind.test)')
  const { id } = await site.api.identityProviders.get({ provider: 'okta' })
  expect(await site.api.people.get({ id: 'new@northwind.test' })).toMatchObject({ managedBy: id })
  await set({ provisions: false })
})

test('the subject is who it is: another name and address change the person, and make no other', async () => {
  await set({ provisions: true })
  await comes('sub-kim', { email: 'kim@northwind.test', name: 'Kim Berg' })
  const before = await site.api.people.get({ id: 'kim@northwind.test' })
  const { page } = await comes('sub-kim', { email: 'kim.lund@northwind.test', name: 'Kim Lund' })
  expect(page.text).toContain('Kim Lund (kim.lund@northwind.test)')
  const after = await site.api.people.get({ id: before.id })
  expect(after).toMatchObject({ id: before.id, email: 'kim.lund@northwind.test', name: 'Kim Lund' })
  // To a domain that it does not speak for, or an address that somebody has, nobody moves.
  await comes('sub-kim', { email: 'kim@contoso.test', name: 'Kim Lund' })
  await comes('sub-kim', { email: 'maya@northwind.test', name: 'Kim Lund' })
  expect(await site.api.people.get({ id: before.id })).toMatchObject({ email: 'kim.lund@northwind.test' })
  await set({ provisions: false })
})

test('what an administrator wrote of a person, a sign-in does not overwrite', async () => {
  const person = await known('Rosa')
  await comes('sub-rosa', { email: 'rosa@northwind.test', name: 'Somebody Else' })
  expect(await site.api.people.get({ id: person.id })).toMatchObject({ name: 'Rosa' })
})

test('an address that went to somebody else at the provider gives nobody the old account', async () => {
  await known('Otto')
  await comes('sub-otto', { email: 'otto@northwind.test' })
  reasons.expect((await comes('sub-otto-2', { email: 'otto@northwind.test' })).page, 'address_taken')
  const { items } = await site.api.identityLinks.list({ person: 'otto@northwind.test' })
  expect(items).toMatchObject([{ subject: 'sub-otto' }])
  await site.api.identityLinks.remove({ link: items[0]?.id ?? '' })
  expect((await comes('sub-otto-2', { email: 'otto@northwind.test' })).page.url).toBe(`${site.url}/account`)
})

test('addresses count where the provider has verified them, and speaks for their domain', async () => {
  await known('Lea')
  await site.api.people.create({ email: 'lea@contoso.test', name: 'Lea' })
  const lea = { email: 'lea@northwind.test' }
  reasons.expect((await comes('sub-lea', { ...lea, email_verified: false })).page, 'email_unverified')
  reasons.expect((await comes('sub-lea', { ...lea, email_verified: undefined })).page, 'email_unverified')
  reasons.expect((await comes('sub-lea', { email: 'lea@contoso.test' })).page, 'domain_foreign')
  reasons.expect((await comes('sub-lea', { email: 'lea@sub.northwind.test' })).page, 'domain_foreign')
  reasons.expect((await comes('sub-lea', { email: 'lea@northwind.test@contoso.test' })).page, 'email_missing')
  reasons.expect((await comes('sub-lea', { email: undefined })).page, 'email_missing')
  // Claimed is not proved.
  await site.api.domains.claim({ domain: 'contoso.test', provider: 'okta' })
  reasons.expect((await comes('sub-lea', { email: 'lea@contoso.test' })).page, 'domain_foreign')
  const { oidc } = await site.api.identityProviders.get({ provider: 'okta' })
  if (!oidc) throw new Error('no settings')
  // What people may choose for themselves there is no address that was verified, whatever else was.
  await set({ oidc: { ...oidc, emailClaim: 'preferred_username' } })
  const chosen = { preferred_username: 'lea@northwind.test', email: 'mallory@northwind.test' }
  reasons.expect((await comes('sub-mallory', chosen)).page, 'email_unverified')
  await set({ oidc: { ...oidc, takesUnverifiedEmail: true } })
  expect((await comes('sub-lea', { ...lea, email_verified: false })).page.url).toBe(`${site.url}/account`)
  await set({ oidc })
})

test('groups of the provider give roles, and a lost group takes its role with it', async () => {
  const person = await known('Ida')
  await site.api.resourceTypes.create({ slug: 'customer' })
  await site.api.resources.put({ type: 'customer', id: 'acme' })
  await site.api.permissions.create({ slug: 'customers:read', type: 'customer', risk: 'read' })
  await site.api.roles.create({ slug: 'reader', type: 'customer', permissions: ['customers:read'] })
  await set({ roles: [{ group: 'Sales (EU)', role: 'reader', resource: 'customer/acme' }] })
  const question = { principal: person.id, permission: 'customers:read', resource: 'customer/acme' }
  const ida = { email: 'ida@northwind.test' }
  await comes('sub-ida', ida)
  expect(await site.api.access.check(question)).toMatchObject({ allowed: false })
  await comes('sub-ida', { ...ida, groups: ['Everyone', 'Sales (EU)'] })
  const { id } = await site.api.identityProviders.get({ provider: 'okta' })
  expect(await site.api.access.check(question)).toMatchObject({
    allowed: true,
    via: [{ role: 'reader', source: 'idp', createdBy: id }],
  })
  // A role that an administrator gave is nobody else's to take.
  const byHand = { principal: person.id, role: 'reader', resource: 'customer/acme' }
  const given = await site.api.assignments.create(byHand)
  await comes('sub-ida', { ...ida, groups: ['Everyone'] })
  const standing = await site.api.assignments.list({ principal: person.id })
  expect(standing.items).toMatchObject([{ id: given.id, source: 'direct' }])
  await site.api.assignments.remove({ id: given.id })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: false })
  // Nor does it take another sign-in where the mapping itself changes.
  await comes('sub-ida', { ...ida, groups: ['Sales (EU)'] })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: true })
  await set({ status: 'disabled' })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: false })
  await set({ status: 'active' })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: true })
  await set({ roles: [] })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: false })
})

test('signed out here is signed out there, and the other way round', async () => {
  await known('Nils')
  const { person, page } = await comes('sub-nils', { email: 'nils@northwind.test' })
  const out = await person.at(site.url).send(page, '/sign-out')
  expect(out.text).toContain('Okta of Northwind')
  const asked = await person.follow(out)
  expect([new URL(asked.url).origin, asked.status]).toEqual([partner.issuer, 200])
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  // The provider asks once more, and then tells us of its own accord.
  const again = await comes('sub-nils', { email: 'nils@northwind.test' })
  const other = await comes('sub-nils', { email: 'nils@northwind.test' })
  const leaving = await again.person.follow(await again.person.at(site.url).send(again.page, '/sign-out'))
  expect((await again.person.at(partner.issuer).submit(leaving, { logout: 'yes' })).leaves?.href).toBe(
    `${site.url}/sign-in`,
  )
  // Of another session of the same person nothing was said.
  expect((await other.person.at(site.url).open('/account')).url).toBe(`${site.url}/account`)
})

test('a session that the provider ends in one place ends here, without this browser', async () => {
  await known('Tove')
  const { person } = await comes('sub-tove', { email: 'tove@northwind.test' })
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/account`)
  const ending = await person.at(partner.issuer).open('/session/end')
  await person.at(partner.issuer).submit(ending, { logout: 'yes' })
  await expect
    .poll(async () => (await person.at(site.url).open('/account')).url, { timeout: 10_000 })
    .toBe(`${site.url}/sign-in`)
})

test('who is suspended here is not let in, and what a disabled provider let in has ended', async () => {
  const person = await known('Emil')
  const emil = { email: 'emil@northwind.test' }
  const { person: window } = await comes('sub-emil', emil)
  await set({ status: 'disabled' })
  expect((await window.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  const page = await someone().at(site.url).open('/sign-in')
  expect(page.text).not.toContain('value="provider"')
  await set({ status: 'active' })
  // For good: who was signed in then signs in again.
  expect((await window.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  await site.api.people.update({ id: person.id, status: 'suspended' })
  reasons.expect((await comes('sub-emil', emil)).page, 'person_inactive')
})

test('an organization that takes no passwords leads everybody to its provider, and asks for two things there', async () => {
  await site.invited('vera@northwind.test', 'Vera')
  await site.api.signIn.update({ id: 'northwind', methods: ['oidc'] })
  partner.know('sub-vera', { email: 'vera@northwind.test', email_verified: true })
  const person = someone()
  const page = await person.at(site.url).open('/sign-in')
  const vera = { email: 'vera@northwind.test', password: 'seven blue teapots' }
  expect((await person.follow(await person.at(site.url).submit(page, vera))).url).toBe(`${site.url}/account`)
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'required' })
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  // What the provider does not say is asked for here.
  const weak = await comes('sub-vera', { email: 'vera@northwind.test' })
  expect(weak.page.text).toContain('Set up a second factor')
  expect((await weak.person.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  const browser = weak.person.at(site.url)
  const kept = await browser.send(weak.page, 'name="code"', {
    code: await codeOf(secretOn(weak.page), site.now()),
  })
  expect(kept.text).toContain('Keep your recovery codes')
  expect((await browser.open('/account')).url).toBe(`${site.url}/account`)
  const strong = await comes('sub-vera', { email: 'vera@northwind.test', amr: ['pwd', 'mfa'] })
  expect(strong.page.url).toBe(`${site.url}/account`)
  await site.api.signIn.update({ id: 'northwind', methods: ['password', 'oidc'], secondFactor: 'optional' })
})

test('an address that leads nowhere is said to', async () => {
  const page = await someone().signInElsewhere('maya@nowhere.test')
  expect([page.status, page.text]).toEqual([400, expect.stringContaining('has a sign-in of its own')])
})

test('no provider speaks for another organization: neither its people nor its domains', async () => {
  await site.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const maya = await site.api.people.create({
    organization: 'contoso',
    email: 'maya@northwind.test',
    name: 'M',
  })
  const organization = 'contoso'
  const evil = await site.api.identityProviders.create({
    ...{ organization, name: 'evil', secret: SECRET, provisions: true },
    oidc: { issuer: partner.issuer, clientId: 'of-contoso' },
  })
  // The domain is proved by northwind: contoso may claim it as often as it likes.
  await site.api.domains.claim({ organization, domain: 'northwind.test', provider: 'evil' })
  await expect(site.api.domains.trust({ organization, domain: 'northwind.test' })).rejects.toMatchObject({
    code: 'conflict.exists',
  })
  partner.addClient({ id: 'of-contoso', callback: site.url + evil.paths['callback'], returnTo: site.url })
  await site.api.domains.claim({ organization, domain: 'contoso.test', provider: 'evil' })
  await site.api.domains.trust({ organization, domain: 'contoso.test' })
  partner.know('sub-maya', { email: 'maya@northwind.test', email_verified: true })
  const page = await someone().signInElsewhere('maya@contoso.test', { organization })
  // The very subject that is maya at northwind is nobody here.
  reasons.expect(page, 'domain_foreign')
  const links = await site.api.identityLinks.list({ organization, person: maya.id })
  expect(links.items).toEqual([])
})

test('the record says why each was refused', () => reasons.check(), 20_000)
