import type { JsonObject } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'

const OKTA = { issuer: 'https://northwind.okta.test', clientId: '0oa1', groupsClaim: 'groups' }
const policy = (provider: JsonObject) => ({ version: 1, identityProviders: { okta: provider } })

test('200: a file describes identity providers, their groups and domains, and applied twice changes nothing', async () => {
  await using product = await start()
  await northwind(product)
  const admin = product.client()
  const described = policy({
    ...{ title: 'Okta', oidc: OKTA, provisions: true, domains: ['Northwind.test', 'proved.test'] },
    roles: [{ group: 'Clerks', role: 'clerk' }],
  })
  const first = await admin.policy.apply({ policy: described })
  expect(first.changes.map(({ sign, kind, name, detail }) => `${sign} ${kind} ${name}: ${detail}`)).toEqual([
    '+ identity provider okta: oidc',
    '+ domain northwind.test: claimed for okta',
    '+ domain proved.test: claimed for okta',
  ])
  expect(await admin.identityProviders.get({ provider: 'okta' })).toMatchObject({
    ...{ title: 'Okta', hasSecret: false, provisions: true, revokesOnLogout: true },
    roles: [{ group: 'Clerks', role: 'clerk', resource: 'organization/northwind' }],
  })
  // Named in a file is not proved.
  expect((await admin.domains.list({})).items.map(({ status }) => status)).toEqual(['claimed', 'claimed'])
  expect((await admin.policy.apply({ policy: described })).changes).toEqual([])
  // The secret that was set apart stays.
  await admin.identityProviders.update({ provider: 'okta', secret: 's' })
  const second = await admin.policy.apply({
    policy: policy({ oidc: { ...OKTA, clientId: '0oa2' }, roles: [] }),
  })
  expect(second.changes).toMatchObject([{ sign: '~', kind: 'identity provider', name: 'okta' }])
  expect(await admin.identityProviders.get({ provider: 'okta' })).toMatchObject({
    ...{ title: 'Okta', hasSecret: true, provisions: true, roles: [] },
    oidc: { clientId: '0oa2' },
  })
})

test.each<[string, JsonObject, string, RegExp]>([
  ['an unknown key', { oidc: OKTA, secret: 's' }, 'identityProviders.okta.secret', /secret/],
  ['no kind', { title: 'Okta' }, 'identityProviders.okta', /OpenID provider or a SAML one/],
  [
    'two kinds',
    { oidc: OKTA, saml: { entityId: 'x', ssoUrl: 'https://a.test', certificates: ['x'.repeat(64)] } },
    'identityProviders.okta',
    /one of the two/,
  ],
  [
    'an issuer that is not https',
    { oidc: { ...OKTA, issuer: 'http://idp.test' } },
    'identityProviders.okta',
    /not https/,
  ],
  [
    'an unknown role',
    { oidc: OKTA, roles: [{ group: 'g', role: 'clrk' }] },
    'identityProviders.okta.roles.0.role',
    /clerk/,
  ],
  [
    'a domain that is none',
    { oidc: OKTA, domains: ['localhost'] },
    'identityProviders.okta.domains.0',
    /not a domain/,
  ],
])('422: %s is a fault at its place', async (_, provider, path, sentence) => {
  await using product = await start()
  await northwind(product)
  const answer = await product.request('POST', '/policy', { policy: policy(provider) })
  expect([answer.status, answer.body.code]).toEqual([422, 'policy.invalid'])
  expect(answer.body.path).toContain(path)
  expect(answer.body.detail).toMatch(sentence)
  expect((await product.client().identityProviders.list({})).items).toEqual([])
})

const CI = {
  ...{ kind: 'workload', issuer: 'https://ci.test' },
  rules: [{ agent: 'support-bot', claims: { repository: 'northwind/billing' } }],
}
const trusting = (issuer: JsonObject) => ({ version: 1, issuers: { ci: issuer } })

test('200: a file says whose word counts for which agent, and applied twice changes nothing', async () => {
  await using product = await start()
  await northwind(product)
  const admin = product.client()
  const first = await admin.policy.apply({ policy: trusting(CI) })
  expect(first.changes).toMatchObject([
    { sign: '+', kind: 'issuer', name: 'ci', detail: 'workload https://ci.test' },
  ])
  const { rules } = await admin.issuers.get({ issuerId: 'ci' })
  expect((await admin.policy.apply({ policy: trusting(CI) })).changes).toEqual([])
  // What stays keeps its credential, so that nothing which came by it ends.
  const more = [...CI.rules, { agent: 'support-bot', claims: { repository: 'northwind/desk' } }]
  expect((await admin.policy.apply({ policy: trusting({ ...CI, rules: more }) })).changes).toHaveLength(1)
  expect((await admin.issuers.get({ issuerId: 'ci' })).rules).toContainEqual(rules[0])
  expect((await admin.policy.apply({ policy: trusting({ ...CI, rules: [] }) })).changes).toHaveLength(1)
  expect((await admin.issuers.get({ issuerId: 'ci' })).rules).toEqual([])
})

test.each<[string, JsonObject, string, RegExp]>([
  [
    'an unknown agent',
    { ...CI, rules: [{ agent: 'suport-bot', claims: { a: 'b' } }] },
    'issuers.ci.rules.0.agent',
    /support-bot/,
  ],
  [
    'a rule about everybody',
    { ...CI, rules: [{ agent: 'support-bot', claims: { a: '*' } }] },
    'issuers.ci.rules.0.claims.a',
    /pattern/,
  ],
  ['rules for people', { ...CI, kind: 'enterprise' }, 'issuers.ci.rules', /workload/],
])('422: %s in trusted issuers', async (_what, issuer, path, sentence) => {
  await using product = await start()
  await northwind(product)
  await expect(product.client().policy.apply({ policy: trusting(issuer) })).rejects.toMatchObject({
    ...{ status: 422, code: 'policy.invalid', path },
    message: expect.stringMatching(sentence),
  })
})
