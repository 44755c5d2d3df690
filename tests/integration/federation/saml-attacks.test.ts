import { createSign } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPeopleSite, type PeopleSite } from '../people-site.ts'
import { createPerson, createReasons } from './hop.ts'
import {
  type Claimed,
  craft,
  makeKey,
  PERSISTENT,
  partsOf,
  requestIn,
  type SigningKey,
} from './saml-craft.ts'

const ENTITY = 'https://saml.test/metadata'
const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'
const MALLORY = 'mallory@saml.test'
const reasons = createReasons(() => site)

let site: PeopleSite
let keys: SigningKey
let soonOver: SigningKey
let acs: string
let audience: string
let logout: string

beforeAll(async () => {
  ;[site, keys, soonOver] = await Promise.all([openPeopleSite(), makeKey(), makeKey(30)])
  const { paths } = await site.api.identityProviders.create({ name: 'saml', saml: settings() })
  acs = site.url + paths['assertionConsumer']
  audience = site.url + paths['metadata']
  logout = site.url + paths['logout']
  await site.api.domains.claim({ domain: 'saml.test', provider: 'saml' })
  await site.api.domains.trust({ domain: 'saml.test' })
  for (const email of ['maya@saml.test', MALLORY]) await site.api.people.create({ email, name: email })
}, 60_000)

afterAll(async () => site?.close())

function settings(more: object = {}) {
  const certificates = [keys.certificate, soonOver.certificate]
  return { entityId: ENTITY, ssoUrl: 'https://saml.test/sso', certificates, ...more }
}

const someone = () => createPerson(site.url, 'https://saml.test')

/** Somebody's browser leaves for the provider; gives the id of the request that it carries. */
async function leaves(person = someone()) {
  const page = await person.at(site.url).open('/sign-in')
  const left = await person.at(site.url).submit(page, { email: MALLORY, way: 'provider' })
  return { person, id: requestIn(/url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? '').id }
}

/** What the provider honestly says of Mallory, in answer to her own request, unless a test says otherwise. */
function honest(id: string | undefined, more: Partial<Claimed> = {}, key = keys): Promise<string> {
  const about = { nameId: 'mallory-1', attributes: { email: MALLORY, name: 'Mallory' } }
  const where = { issuer: ENTITY, audience, recipient: acs, destination: acs, inResponseTo: id }
  return craft(key, { ...where, ...about, ...more })
}

async function send(person: ReturnType<typeof someone>, xml: string) {
  const fields = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') })
  const next = await person.deliver(acs, fields)
  return typeof next === 'string' ? person.follow(await person.at(site.url).open(next)) : next
}

/** Makes Maya of Mallory, in whatever is not signed any more. */
const forge = (xml: string) =>
  xml
    .replaceAll('mallory-1', 'maya-1')
    .replaceAll(MALLORY, 'maya@saml.test')
    .replace(/(<saml:Assertion[^>]* ID=")[^"]*/, '$1_evil')

beforeEach(() => {
  // Whoever sends what is not from the provider is slowed down.
  site.passTime(16)
  minutes += 16
})
let minutes = 0
/** The provider's clock goes with ours. */
const later = () => ({ lifetimeInSeconds: minutes * 60 + 300 })

test('what is honest is let in', async () => {
  const { person, id } = await leaves()
  expect((await send(person, await honest(id, later()))).url).toBe(`${site.url}/account`)
})

test('a response may be signed as a whole too, and says of the session what it says', async () => {
  const { person, id } = await leaves()
  const xml = await honest(id, { ...later(), signResponse: true, sessionIndex: 's-1' })
  expect((await send(person, xml)).url).toBe(`${site.url}/account`)
})

/** The eight ways to wrap a signature (Somorovsky et al., "On Breaking SAML", 2012). */
const WRAPPED: Record<string, (xml: string) => string> = {
  'XSW1: the signed response inside the signature of a forged one': xml => wrapResponse(xml, 'inside'),
  'XSW2: the signed response beside its signature in a forged one': xml => wrapResponse(xml, 'beside'),
  'XSW3: a forged assertion before the signed one': xml => {
    const { assertion, bare, around } = partsOf(xml)
    return around(forge(bare) + assertion)
  },
  'XSW4: the signed assertion inside a forged one': xml => {
    const { assertion, bare, around } = partsOf(xml)
    return around(forge(bare).replace(/<\/saml:Assertion>$/, () => `${assertion}</saml:Assertion>`))
  },
  'XSW5: the signature in a forged assertion, the signed one behind it': xml => {
    const { signature, bare, around } = partsOf(xml)
    return around(intoEvil(bare, signature) + bare)
  },
  'XSW6: the signed assertion inside the signature of a forged one': xml => {
    const { signature, bare, around } = partsOf(xml)
    return around(
      intoEvil(
        bare,
        signature.replace('</Signature>', () => `${bare}</Signature>`),
      ),
    )
  },
  'XSW7: a forged assertion among the extensions': xml => {
    const { assertion, bare, around } = partsOf(xml)
    const forged = forge(bare).replace(/ ID="[^"]*"/, () => / ID="[^"]*"/.exec(bare)?.[0] ?? '')
    return around(`<samlp:Extensions>${forged}</samlp:Extensions>${assertion}`)
  },
  'XSW8: the signed assertion in an object of the signature of a forged one': xml => {
    const { signature, bare, around } = partsOf(xml)
    const object = `<Object xmlns="http://www.w3.org/2000/09/xmldsig#">${bare}</Object></Signature>`
    return around(
      intoEvil(
        bare,
        signature.replace('</Signature>', () => object),
      ),
    )
  },
}

function intoEvil(bare: string, signature: string): string {
  return forge(bare).replace('</saml:Issuer>', () => `</saml:Issuer>${signature}`)
}

function wrapResponse(xml: string, where: 'inside' | 'beside'): string {
  const whole = xml.replace(/<saml:Assertion[\s\S]*<\/saml:Assertion>/, '@')
  const signature = /<Signature[\s\S]*?<\/Signature>/.exec(whole)?.[0] ?? ''
  const original = xml.replace(signature, '')
  const { bare, around } = partsOf(original)
  const wrapped =
    where === 'inside'
      ? signature.replace('</Signature>', () => `${original}</Signature>`)
      : original + signature
  return around(forge(bare))
    .replace(/(<samlp:Response[^>]* ID=")[^"]*/, '$1_evil')
    .replace('</saml:Issuer>', () => `</saml:Issuer>${wrapped}`)
}

test.each(Object.keys(WRAPPED))('refused: %s', async name => {
  const { person, id } = await leaves()
  const isWhole = /XSW[12]/.test(name)
  const xml = await honest(id, { ...later(), signResponse: isWhole })
  const forged = WRAPPED[name]?.(xml) ?? ''
  expect(forged).toContain('maya-1')
  expect(forged).toContain('mallory-1')
  reasons.expect(await send(person, forged), 'saml_assertions')
})

/** A comment that ends a name, where a parser stops at it: the signature does not see comments (CVE-2017-11427). */
test.each([
  ['a comment', '<!---->', 'saml_markup'],
  ['an instruction', '<?x?>', 'saml_markup'],
  ['a section of text', '<![CDATA[]]>', 'saml_markup'],
])('refused: %s in the middle of a name', async (_, cut, reason) => {
  const { person, id } = await leaves()
  const attributes = { email: 'maya@saml.test.mallory.test', name: 'M' }
  const xml = await honest(id, { ...later(), nameId: 'maya-1.mallory', attributes })
  reasons.expect(await send(person, xml.replace('maya-1.', `maya-1${cut}.`)), reason)
  const { person: again, id: second } = await leaves()
  const other = await honest(second, { ...later(), nameId: 'mallory-1', attributes })
  reasons.expect(await send(again, other.replace('maya@saml.test.', `maya@saml.test${cut}.`)), reason)
})

test('refused: entities, however they are meant', async () => {
  const { person, id } = await leaves()
  const xml = await honest(id, later())
  const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`)
  for (const type of [
    `<!DOCTYPE r [<!ENTITY l0 "ha">${laughs.join('')}]>`,
    `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>`,
  ])
    reasons.expect(await send(person, `${type}${xml.replace('mallory-1', '&l9;')}`), 'saml_markup')
  reasons.expect(await send(person, xml.replace('mallory-1', '&nbsp;')), 'saml_malformed')
})

const UNSIGNED: [string, string, (id: string) => Promise<string>][] = [
  [
    'an unsigned assertion in an unsigned response',
    'saml_not_verified',
    id => honest(id, { ...later(), signAssertion: false }),
  ],
  [
    'an unsigned assertion in a signed response',
    'saml_not_verified',
    id => honest(id, { ...later(), signAssertion: false, signResponse: true }),
  ],
  [
    'a signature that was taken out',
    'saml_not_verified',
    async id => {
      const xml = await honest(id, later())
      return xml.replace(partsOf(xml).signature, '')
    },
  ],
  [
    'a changed name under the signature of another',
    'saml_not_verified',
    async id => (await honest(id, later())).replaceAll('mallory-1', 'maya-1'),
  ],
  [
    'a changed address under the signature of another',
    'saml_not_verified',
    async id => (await honest(id, later())).replaceAll(MALLORY, 'maya@saml.test'),
  ],
  [
    'a signature by a key of the sender, with its certificate in it',
    'saml_not_verified',
    async id => honest(id, later(), await makeKey()),
  ],
  [
    'a signature with SHA-1',
    'saml_weak_signature',
    id => honest(id, { ...later(), signatureAlgorithm: 'rsa-sha1', digestAlgorithm: 'sha1' }),
  ],
  ['a digest with SHA-1', 'saml_weak_signature', id => honest(id, { ...later(), digestAlgorithm: 'sha1' })],
  [
    'a signature with the public key as a secret',
    'saml_weak_signature',
    async id =>
      (await honest(id, later())).replace(
        'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
        'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
      ),
  ],
]

test.each(UNSIGNED)('refused: %s', async (_, reason, make) => {
  const { person, id } = await leaves()
  reasons.expect(await send(person, await make(id)), reason)
})

test('an unsigned envelope around a signed assertion can say nothing', async () => {
  const { person, id } = await leaves()
  const xml = await honest(id, later())
  reasons.expect(
    await send(person, xml.replace(/Destination="[^"]*"/, 'Destination="https://evil.test"')),
    'saml_destination',
  )
  reasons.expect(await send(person, xml.replace(/ InResponseTo="[^"]*"/, '')), 'saml_in_response_to')
  reasons.expect(await send(person, xml.replace(ENTITY, 'https://evil.test')), 'saml_issuer')
  reasons.expect(await send(person, xml.replace(':status:Success', ':status:Responder')), 'saml_status')
})

test.each<[string, string, () => Partial<Claimed>]>([
  ['for another audience', 'saml_not_verified', () => ({ audience: 'https://other.test' })],
  ['for another address', 'saml_recipient', () => ({ recipient: 'https://other.test/acs' })],
  ['sent to another address', 'saml_destination', () => ({ destination: 'https://other.test/acs' })],
  ['of another provider', 'saml_issuer', () => ({ issuer: 'https://other.test' })],
  ['that has ended', 'saml_too_late', () => ({ lifetimeInSeconds: minutes * 60 - 120 })],
  ['that answers another request', 'not_this_browser', () => ({ inResponseTo: '_of-another' })],
  ['that nobody asked for', 'saml_unsolicited', () => ({ inResponseTo: undefined })],
])('refused: an assertion %s', async (_, reason, wrong) => {
  const { person, id } = await leaves()
  reasons.expect(await send(person, await honest(id, { ...later(), ...wrong() })), reason)
})

test('an assertion is good once, and only for the browser that asked', async () => {
  const { person, id } = await leaves()
  const xml = await honest(id, later())
  const stranger = someone()
  // Whoever else brings it has used it up.
  reasons.expect(await send(stranger, xml), 'not_this_browser')
  reasons.expect(await send(person, xml), 'replayed')
  const again = await leaves()
  const good = await honest(again.id, later())
  expect((await send(again.person, good)).url).toBe(`${site.url}/account`)
  reasons.expect(await send(again.person, good), 'replayed')
})

test('of several certificates each is good until it ends, and with the last one nobody is believed', async () => {
  const { person, id } = await leaves()
  // By now that one has ended.
  expect(minutes).toBeGreaterThan(30)
  reasons.expect(await send(person, await honest(id, later(), soonOver)), 'saml_not_verified')
  const fresh = await leaves()
  expect((await send(fresh.person, await honest(fresh.id, later()))).url).toBe(`${site.url}/account`)
  const brief = await makeKey(minutes + 30)
  await site.api.identityProviders.update({
    provider: 'saml',
    saml: settings({ certificates: [brief.certificate] }),
  })
  const before = await leaves()
  expect((await send(before.person, await honest(before.id, later(), brief))).url).toBe(`${site.url}/account`)
  site.passTime(31)
  minutes += 31
  const page = await someone().signInElsewhere(MALLORY)
  reasons.expect(page, 'saml_certificates_ended')
  await site.api.identityProviders.update({
    provider: 'saml',
    saml: settings({ certificates: [keys.certificate] }),
  })
  await expect(
    site.api.identityProviders.update({ provider: 'saml', saml: settings() }),
  ).rejects.toMatchObject({ code: 'request.invalid', path: 'saml.certificates.1' })
})

test('what nobody asked for is taken where the organization says so, once', async () => {
  const certificates = [keys.certificate]
  await site.api.identityProviders.update({
    provider: 'saml',
    saml: settings({ takesUnsolicited: true, certificates }),
  })
  const person = someone()
  const xml = await honest(undefined, later())
  expect(
    await person.deliver(acs, new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') })),
  ).toBe(`${site.url}/account`)
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/account`)
  reasons.expect(await send(someone(), xml), 'replayed')
  await site.api.identityProviders.update({ provider: 'saml', saml: settings({ certificates }) })
})

test('what is made to be slow is refused at once', async () => {
  const { person } = await leaves()
  const deep = `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`
  const root = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"'
  const began = performance.now()
  reasons.expect(await send(person, `<samlp:Response ${root}>${deep}</samlp:Response>`), 'saml_too_deep')
  reasons.expect(
    await send(person, `<samlp:Response ${root}>${'<a/>'.repeat(40_000)}</samlp:Response>`),
    'saml_too_deep',
  )
  reasons.expect(await send(person, 'x'.repeat(300_000)), 'saml_encoding')
  expect(performance.now() - began).toBeLessThan(5_000)
  for (const text of ['', '!!', '<x/>', '<a><b></a>', '\u0000'])
    expect((await send(person, text)).status, text).toBeGreaterThanOrEqual(403)
})

function logoutRequest(sessionIndex: string, { destination = logout, ageMinutes = 0 } = {}): string {
  const names =
    'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'
  const issuedAt = new Date(Date.now() + (minutes - ageMinutes) * 60_000).toISOString()
  const at = `ID="_${sessionIndex}" Version="2.0" IssueInstant="${issuedAt}" Destination="${destination}"`
  return `<samlp:LogoutRequest ${names} ${at}><saml:Issuer>${ENTITY}</saml:Issuer><saml:NameID Format="${PERSISTENT}">mallory-1</saml:NameID><samlp:SessionIndex>${sessionIndex}</samlp:SessionIndex></samlp:LogoutRequest>`
}

/** A message in an address with the provider's signature (SAML bindings section 3.4.4.1). */
function signed(xml: string): string {
  const fields = { SAMLRequest: deflateRawSync(xml).toString('base64'), RelayState: 'r', SigAlg: RSA_SHA256 }
  const query = new URLSearchParams(fields).toString()
  const signature = createSign('sha256').update(query).sign(keys.key, 'base64')
  return `${query}&${new URLSearchParams({ Signature: signature })}`
}

test('a sign-out counts only where the provider has signed it', async () => {
  const { person, id } = await leaves()
  await send(person, await honest(id, { ...later(), sessionIndex: 's-9' }))
  const packed = deflateRawSync(logoutRequest('s-9')).toString('base64')
  const bomb = deflateRawSync('x'.repeat(5_000_000)).toString('base64')
  for (const [fields, reason] of [
    [{ SAMLRequest: packed }, 'saml_logout_unsigned'],
    [{ SAMLRequest: packed, SigAlg: RSA_SHA256, Signature: 'AAAA' }, 'saml_logout_not_verified'],
    [
      { SAMLRequest: packed, SigAlg: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1', Signature: 'AAAA' },
      'saml_logout_unsigned',
    ],
    [{ SAMLRequest: bomb, SigAlg: RSA_SHA256, Signature: 'AAAA' }, 'saml_encoding'],
  ] as const)
    reasons.expect(
      await someone()
        .at(site.url)
        .open(`${logout}?${new URLSearchParams(fields)}`),
      reason,
    )
  const twice = new URLSearchParams([
    ['SAMLRequest', packed],
    ['SAMLRequest', packed],
    ['SigAlg', RSA_SHA256],
    ['Signature', 'A'],
  ])
  reasons.expect(await someone().at(site.url).open(`${logout}?${twice}`), 'saml_logout_query')
  for (const [xml, reason] of [
    [logoutRequest('s-9', { destination: 'https://another.test/logout' }), 'saml_destination'],
    [logoutRequest('s-9').replace(/ Destination="[^"]*"/, ''), 'saml_destination'],
    [logoutRequest('s-9', { ageMinutes: 11 }), 'saml_too_late'],
    [logoutRequest('s-9', { ageMinutes: -5 }), 'saml_too_early'],
    [logoutRequest('s-9').replaceAll('LogoutRequest', 'AuthnRequest'), 'saml_logout_query'],
  ] as const)
    reasons.expect(
      await someone()
        .at(site.url)
        .open(`${logout}?${signed(xml)}`),
      reason,
    )
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/account`)
})

test('a sign-out that the provider has signed ends the session, and is answered', async () => {
  const { person, id } = await leaves()
  expect((await send(person, await honest(id, { ...later(), sessionIndex: 's-10' }))).url).toBe(
    `${site.url}/account`,
  )
  const request = logoutRequest('s-10')
  const elsewhere = await someone()
    .at(site.url)
    .open(`${logout}?${signed(logoutRequest('s-11'))}`)
  expect(elsewhere.leaves?.origin).toBe('https://saml.test')
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/account`)
  // It needs not come from the browser that is signed out.
  const { leaves: answer } = await someone()
    .at(site.url)
    .open(`${logout}?${signed(request)}`)
  expect(answer?.searchParams.has('SAMLResponse')).toBe(true)
  expect(answer?.searchParams.get('RelayState')).toBe('r')
  expect((await person.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  reasons.expect(
    await someone()
      .at(site.url)
      .open(`${logout}?${signed(request)}`),
    'replayed',
  )
})

test('the record says why each was refused', () => reasons.check(), 20_000)
