import { createVerify } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPeopleSite, type PeopleSite } from '../people-site.ts'
import { createPerson, createReasons } from './hop.ts'
import { requestIn } from './saml-craft.ts'
import { type Known, openSamlPartner, type SamlPartner } from './saml-partner.ts'

let site: PeopleSite
let partner: SamlPartner
const reasons = createReasons(() => site)

beforeAll(async () => {
  ;[site, partner] = await Promise.all([openPeopleSite(), openSamlPartner()])
  const { paths, requestCertificate } = await site.api.identityProviders.create({
    ...{ name: 'adfs', title: 'ADFS of Northwind' },
    saml: {
      ...{ entityId: partner.entityId, ssoUrl: partner.ssoUrl, logoutUrl: partner.logoutUrl },
      ...{ certificates: [partner.keys.certificate], groupsAttribute: 'groups' },
    },
  })
  partner.sendTo(site.url + paths['assertionConsumer'])
  partner.takeLogouts(requestCertificate ?? '', site.url + paths['logout'], site.url + paths['metadata'])
  await site.api.domains.claim({ domain: 'northwind.test', provider: 'adfs' })
  await site.api.domains.trust({ domain: 'northwind.test' })
}, 60_000)

afterAll(async () => {
  await site?.close()
  await partner?.close()
})

const set = (changes: object) => site.api.identityProviders.update({ provider: 'adfs', ...changes })

async function comes(known: Known) {
  partner.know(known)
  const person = createPerson(site.url, partner.url)
  return { person, page: await person.signInElsewhere('anybody@northwind.test') }
}

test('a person of a verified domain signs in at the provider, and is the subject from then on', async () => {
  await site.api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  const { page } = await comes({ nameId: 'maya-1', attributes: { email: 'Maya@Northwind.test', name: 'M' } })
  expect([page.url, page.text]).toEqual([
    `${site.url}/account`,
    expect.stringContaining('Maya (maya@northwind.test)'),
  ])
  const { items } = await site.api.identityLinks.list({ person: 'maya@northwind.test' })
  expect(items).toMatchObject([{ subject: 'persistent:maya-1' }])
  // Another subject under her address is not her.
  const other = await comes({ nameId: 'maya-2', attributes: { email: 'maya@northwind.test' } })
  reasons.expect(other.page, 'address_taken')
  // The same subject under another address is.
  const same = await comes({ nameId: 'maya-1', attributes: { email: 'else@northwind.test' } })
  expect(same.page.text).toContain('Maya (maya@northwind.test)')
})

test('the request names us and where to answer, and is signed where the provider wants that', async () => {
  const ask = async () => {
    const browser = createPerson(site.url, partner.url).at(site.url)
    const page = await browser.open('/sign-in')
    const left = await browser.submit(page, { email: 'maya@northwind.test', way: 'provider' })
    return /url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? ''
  }
  const { paths, requestCertificate } = await site.api.identityProviders.get({ provider: 'adfs' })
  const plain = await ask()
  expect(requestIn(plain).xml).toContain(
    `AssertionConsumerServiceURL="${site.url}${paths['assertionConsumer']}"`,
  )
  expect(requestIn(plain).xml).toContain(`${site.url}${paths['metadata']}</saml:Issuer>`)
  expect(new URL(plain).searchParams.has('Signature')).toBe(false)
  const { saml } = await site.api.identityProviders.get({ provider: 'adfs' })
  if (!saml) throw new Error('no settings')
  await set({ saml: { ...saml, signsRequests: true } })
  const signed = await ask()
  // What is signed is the query up to the signature (SAML bindings section 3.4.4.1).
  const [, query = '', signature = ''] = /\?(.*)&Signature=([^&]*)$/.exec(signed) ?? []
  expect(query).toContain(`SigAlg=${encodeURIComponent('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256')}`)
  const bytes = Buffer.from(decodeURIComponent(signature), 'base64')
  expect(
    createVerify('sha256')
      .update(query)
      .verify(requestCertificate ?? '', bytes),
  ).toBe(true)
  await set({ saml })
})

test('our metadata say who we are, where to answer, and what our signature is checked with', async () => {
  const { paths, requestCertificate } = await site.api.identityProviders.get({ provider: 'adfs' })
  const response = await fetch(site.url + paths['metadata'])
  expect(response.headers.get('content-type')).toBe('application/samlmetadata+xml')
  const xml = await response.text()
  expect(xml).toContain(`entityID="${site.url}${paths['metadata']}"`)
  expect(xml).toContain(`Location="${site.url}${paths['assertionConsumer']}"`)
  expect(xml).toContain(`Location="${site.url}${paths['logout']}"`)
  expect(xml).toContain('WantAssertionsSigned="true"')
  const [, body = ''] = /CERTIFICATE-----([\s\S]*)-----END/.exec(requestCertificate ?? '') ?? []
  expect(xml.replace(/\s/g, '')).toContain(body.replace(/\s/g, ''))
})

test('people are made where the provider may, with the name and groups that it says', async () => {
  await site.api.permissions.create({ slug: 'tickets:read', risk: 'read' })
  await site.api.roles.create({ slug: 'helper', permissions: ['tickets:read'] })
  await set({ provisions: true, roles: [{ group: 'helpdesk', role: 'helper' }] })
  const lea = {
    nameId: 'lea-1',
    attributes: { email: 'lea@northwind.test', name: 'Lea Ek', groups: ['a', 'helpdesk'] },
  }
  const { page } = await comes(lea)
  expect(page.text).toContain('Lea Ek (lea@northwind.test)')
  const question = {
    principal: 'user:lea@northwind.test',
    permission: 'tickets:read',
    resource: 'organization/northwind',
  }
  expect(await site.api.access.check(question)).toMatchObject({ allowed: true, via: [{ source: 'idp' }] })
  await comes({ ...lea, attributes: { ...lea.attributes, groups: ['a'] } })
  expect(await site.api.access.check(question)).toMatchObject({ allowed: false })
  await set({ provisions: false, roles: [] })
})

test('a name that changes with every sign-in names nobody, unless an attribute does', async () => {
  const transient = {
    nameId: 'x-1',
    nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
    attributes: { email: 'maya@northwind.test', oid: 'o-17' },
  }
  const person = await site.api.people.create({ email: 'ole@northwind.test', name: 'Ole' })
  reasons.expect((await comes(transient)).page, 'saml_subject_transient')
  const { saml } = await site.api.identityProviders.get({ provider: 'adfs' })
  if (!saml) throw new Error('no settings')
  await set({ saml: { ...saml, subjectAttribute: 'oid' } })
  const ole = { ...transient, attributes: { email: 'ole@northwind.test', oid: 'o-17' } }
  expect((await comes(ole)).page.url).toBe(`${site.url}/account`)
  const { items } = await site.api.identityLinks.list({ person: person.id })
  expect(items).toMatchObject([{ subject: 'attribute:o-17' }])
  reasons.expect((await comes({ ...transient, attributes: {} })).page, 'saml_subject_missing')
  await set({ saml })
})

test('signed out here is signed out there', async () => {
  const { person, page } = await comes({
    ...{ nameId: 'maya-1', sessionIndex: 's-1' },
    attributes: { email: 'maya@northwind.test' },
  })
  const out = await person.at(site.url).send(page, '/sign-out')
  expect(out.text).toContain('ADFS of Northwind')
  const end = await person.follow(out)
  expect(partner.loggedOut).toContain('maya-1')
  expect(end.url).toBe(`${site.url}/sign-in`)
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
})

test('the record says why each was refused', () => reasons.check(), 20_000)
