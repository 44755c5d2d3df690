import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chainOf, claimsOf, type DelegationStage, startDelegationStage } from './delegation-stage.ts'
import { RESOURCE } from './oauth-stage.ts'

let stage: DelegationStage
beforeAll(async () => {
  stage = await startDelegationStage()
})
afterAll(() => stage[Symbol.asyncDispose]())

/** What a token of bravo rests on, which acts for alpha, which acts for Maya. */
interface Footing {
  token: string
  links: string[]
  grant: string
  jti: string
  credential: { alpha: string; bravo: string }
}

async function stand(): Promise<Footing> {
  const { api, a, b } = stage
  const grant = await api.grants.create({
    ...{ agent: 'alpha', person: 'maya@northwind.test', scopes: ['invoices:read'] },
  })
  const { links, answer } = await chainOf([a, b], { grant_id: grant.id })
  const credentialOf = async (agent: string) =>
    (await api.credentials.list({ agent })).items.find(({ status }) => status === 'live')?.id ?? ''
  return {
    token: String(answer['access_token']),
    ...{ links, grant: grant.id, jti: String(claimsOf(answer).jti) },
    credential: { alpha: await credentialOf('alpha'), bravo: await credentialOf('bravo') },
  }
}

type Kind = Parameters<DelegationStage['api']['freezes']['freeze']>[0]['kind']

const FROZEN: [string, Kind, (at: Footing) => string | undefined][] = [
  ['everything', 'all', () => undefined],
  ['the organization', 'organization', () => 'northwind'],
  ['the server', 'server', () => 'billing'],
  ['the agent itself', 'agent', () => 'bravo'],
  ['the agent that delegated', 'agent', () => 'alpha'],
  ['the person', 'person', () => 'maya@northwind.test'],
  ['the grant', 'grant', ({ grant }) => grant],
  ['the delegation', 'delegation', ({ links }) => links[0]],
  ['the credential', 'credential', ({ credential }) => credential.bravo],
  ['the credential that delegated', 'credential', ({ credential }) => credential.alpha],
  ['the token', 'token', ({ jti }) => jti],
]

describe('freezing', () => {
  test.each(FROZEN)(
    '%s refuses at once and gives no token, and thawing undoes it',
    async (name, kind, of) => {
      const { api, b } = stage
      const at = await stand()
      const id = of(at)
      // The introspection endpoint itself asks for a proof that some of these take away, so the server asks.
      const { key } = await api.serverKeys.create({ server: 'billing' })
      const revisions = [await heads()]
      const asServer = async () => {
        const headers = { authorization: `Bearer ${key}` }
        return (await stage.send('/token/introspection', { token: at.token }, headers))['active'] === true
      }
      expect(await asServer(), name).toBe(true)
      const frozen = await api.freezes.freeze({ kind, id, reason: 'look', waitMs: 100 })
      expect(frozen).toMatchObject({ kind, frozen: true, barrier: { complete: true } })
      revisions.push(await heads())
      const { items: changes } = await api.audit.changes({ target: frozen.id, limit: 200 })
      expect(changes.filter(({ detail }) => detail['reason'] === 'look').length).toBe(1)
      expect(await asServer()).toBe(false)
      if (kind !== 'token') expect((await b.exchange(at.links[0])).status).toBeGreaterThanOrEqual(400)
      expect((await api.freezes.freeze({ kind, id })).revision).toBe(frozen.revision)
      await api.freezes.thaw({ kind, id, reason: 'looked into' })
      expect(await asServer()).toBe(true)
      expect((await b.exchange(at.links[0])).status).toBe(200)
      expect(revisions[1]).not.toEqual(revisions[0])
    },
  )

  test('a tool: it alone is refused, and a policy that maps it again does not thaw it', async () => {
    const { api } = stage
    const check = () =>
      api.decisions.check({ agent: 'alpha', server: 'billing', kind: 'method', name: 'x/tickets-read' })
    const { items } = await api.tools.list({ server: 'billing' })
    const id = items.find(({ name }) => name === 'x/tickets-read')?.id ?? ''
    expect((await check()).decision).toBe('permit')
    await api.freezes.freeze({ kind: 'tool', id })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'frozen' })
    await api.tools.map({
      ...{ server: 'billing', kind: 'method', name: 'x/tickets-read', permission: 'tickets:read' },
      risk: 'read',
    })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'frozen' })
    await api.freezes.thaw({ kind: 'tool', id, reason: 'looked into' })
    expect((await check()).decision).toBe('permit')
  })

  test('who lets something act again says why, and that is on record beside why it was stopped', async () => {
    const { api } = stage
    for (const [name, kind, of] of FROZEN) {
      const id = of(await stand())
      await api.freezes.freeze({ kind, id, reason: 'odd calls' })
      for (const reason of ['', ' ', undefined as never])
        await expect(api.freezes.thaw({ kind, id, reason }), name).rejects.toMatchObject({
          ...{ status: 400, path: 'reason' },
        })
      await api.freezes.thaw({ kind, id, reason: `cleared ${name}` })
      const reasons = (await stage.events()).map(({ detail }) => (detail as { reason?: string }).reason)
      expect(reasons).toContain(`cleared ${name}`)
    }
    // By whatever way it is let act again.
    const stopped: [
      (status: 'active' | 'suspended' | 'frozen', reason?: string) => Promise<unknown>,
      string,
    ][] = [
      [
        (status, reason) =>
          api.people.update({ id: 'maya@northwind.test', status: status as 'active', reason }),
        'suspended',
      ],
      [
        (status, reason) => api.servers.update({ id: 'billing', status: status as 'active', reason }),
        'frozen',
      ],
    ]
    for (const [set, stop] of stopped) {
      await set(stop as 'frozen')
      for (const reason of [undefined, '', ' '])
        await expect(set('active', reason)).rejects.toMatchObject({ status: 400, path: 'reason' })
      await set('active', `let on after ${stop}`)
      // Nothing to say where nothing changes.
      await set('active')
      const reasons = (await stage.events()).map(({ detail }) => (detail as { reason?: string }).reason)
      expect(reasons).toContain(`let on after ${stop}`)
    }
    await api.agents.suspend({ id: 'bravo' })
    await expect(api.agents.resume({ id: 'bravo', reason: ' ' })).rejects.toMatchObject({ status: 400 })
    await api.agents.resume({ id: 'bravo', reason: 'looked into' })
  })

  test('names what it freezes, or everything: not both and not nothing', async () => {
    const { api } = stage
    await expect(api.freezes.freeze({ kind: 'all', id: 'x' })).rejects.toMatchObject({ status: 400 })
    await expect(api.freezes.freeze({ kind: 'agent' })).rejects.toMatchObject({ status: 400 })
    await expect(api.freezes.freeze({ kind: 'grant', id: 'gnt_no' })).rejects.toMatchObject({ status: 404 })
    await expect(api.freezes.freeze({ kind: 'tool', id: 'billing/no' })).rejects.toMatchObject({
      status: 404,
    })
  })
})

describe('taking back', () => {
  test('a token ends that token; thawing brings nothing back that was revoked', async () => {
    const { api, b } = stage
    const { jti, token, links } = await stand()
    await api.freezes.freeze({ kind: 'token', id: jti })
    await api.revocations.create({ kind: 'token', id: jti })
    await api.freezes.thaw({ kind: 'token', id: jti, reason: 'looked into' })
    expect(await b.isActive(token)).toBe(false)
    expect((await b.exchange(links[0])).status).toBe(200)
  })

  test('the credential by which an agent delegated takes the delegation along, for good', async () => {
    const { api, b } = stage
    const { credential, token, links } = await stand()
    const preview = await api.revocations.preview({ kind: 'credential', id: credential.alpha })
    expect(preview.delegations).toBeGreaterThan(0)
    expect(preview.agents).toEqual(expect.arrayContaining(['alpha', 'bravo']))
    await api.revocations.create({ kind: 'credential', id: credential.alpha })
    expect(await b.isActive(token)).toBe(false)
    expect(await b.exchange(links[0])).toMatchObject({ status: 400 })
    expect((await api.delegations.get({ id: links[0] ?? '' })).status).toBe('broken')
  })

  test('an agent: credentials, grants, delegations from it and to it, in one revision; and resumed it has none', async () => {
    const { api, c, d } = stage
    const grant = await api.grants.create({
      ...{ agent: 'charlie', person: 'maya@northwind.test', scopes: ['invoices:read'] },
    })
    const { links, answer } = await chainOf([c, d], { grant_id: grant.id })
    const into = await chainOf([d, c])
    const preview = await api.revocations.preview({ kind: 'agent', id: 'charlie' })
    expect(preview).toMatchObject({ credentials: 1, grants: 1, delegations: 2, agents: ['charlie', 'delta'] })
    const before = await heads()
    await api.revocations.create({ kind: 'agent', id: 'charlie', reason: 'leaked' })
    expect(await heads()).toEqual({ ...before, northwind: before.northwind + 1 })
    expect(await d.isActive(answer['access_token'])).toBe(false)
    await api.agents.resume({ id: 'charlie', reason: 'looked into' })
    expect(await d.isActive(answer['access_token'])).toBe(false)
    expect(await d.exchange(links[0])).toMatchObject({ status: 400 })
    expect((await api.delegations.get({ id: into.links[0] ?? '' })).status).toBe('revoked')
    expect((await api.grants.list({ agent: 'charlie' })).items.map(({ status }) => status)).toEqual([
      'revoked',
    ])
    const own = await d.send('/token', { grant_type: 'client_credentials', resource: RESOURCE })
    expect(await d.isActive(own['access_token'])).toBe(true)
  })

  test('a server or an organization, for good; a tool until it is mapped again; a signing key', async () => {
    const { api } = stage
    await api.servers.create({ name: 'crm', url: 'https://crm.test/mcp' })
    const { key } = await api.serverKeys.create({ server: 'crm' })
    expect(await api.revocations.create({ kind: 'server', id: 'crm' })).toMatchObject({
      organization: 'catalogue',
    })
    expect((await api.servers.get({ id: 'crm' })).status).toBe('retired')
    const headers = { authorization: `Bearer ${key}` }
    expect(await stage.send('/token/introspection', { token: 'x' }, headers)).toMatchObject({ status: 401 })
    await expect(
      api.freezes.thaw({ kind: 'server', id: 'crm', reason: 'looked into' }),
    ).rejects.toMatchObject({ status: 409 })
    await api.organizations.create({ slug: 'contoso', name: 'Contoso' })
    await api.revocations.create({ kind: 'organization', id: 'contoso' })
    await expect(api.organizations.thaw({ id: 'contoso', reason: 'looked into' })).rejects.toMatchObject({
      status: 409,
    })
    const { items } = await api.tools.list({ server: 'billing' })
    const tool = items.find(({ name }) => name === 'x/invoices-refund')
    await api.revocations.create({ kind: 'tool', id: tool?.id ?? '', reason: 'spilled' })
    const { items: unmapped } = await api.audit.changes({ type: 'tool.unmapped', target: tool?.id })
    expect(unmapped[0]?.detail).toMatchObject({ reason: 'spilled' })
    await expect(api.revocations.create({ kind: 'tool', id: tool?.id ?? '' })).rejects.toMatchObject({
      status: 404,
    })
    const keys = await api.signingKeys.list({})
    const active = keys.items.find(({ status }) => status === 'active')?.kid ?? ''
    const { token } = await stand().catch(() => ({ token: '' }))
    await api.revocations.create({ kind: 'signing_key', id: active })
    expect((await api.signingKeys.list({})).items.map(({ kid }) => kid)).not.toContain(active)
    expect(token === '' || !(await stage.b.isActive(token))).toBe(true)
  })

  test('a person: suspended, with nothing left that was granted', async () => {
    const { api } = stage
    const here = { organization: 'northwind' }
    await api.people.create({ ...here, email: 'jon@northwind.test', name: 'Jon' })
    await api.grants.create({
      ...here,
      agent: 'bravo',
      person: 'jon@northwind.test',
      scopes: ['tickets:read'],
    })
    const preview = await api.revocations.preview({ ...here, kind: 'person', id: 'jon@northwind.test' })
    expect(preview).toMatchObject({ people: 1, grants: 1 })
    const jon = await api.people.get({ ...here, id: 'jon@northwind.test' })
    await api.revocations.create({ ...here, kind: 'person', id: jon.id, reason: 'left' })
    const { items: changes } = await api.audit.changes({ type: 'person.updated', target: jon.id })
    expect(changes[0]?.detail).toMatchObject({ after: { status: 'suspended' }, reason: 'left' })
    expect((await api.people.get({ ...here, id: 'jon@northwind.test' })).status).toBe('suspended')
    const { items } = await api.grants.list({ ...here, person: 'jon@northwind.test' })
    expect(items.map(({ status }) => status)).toEqual(['revoked'])
  })
})

async function heads() {
  const { revision } = await stage.api.organizations.get({ id: 'northwind' })
  const catalogue = await stage.authority.store.db
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', 'catalogue')
    .executeTakeFirstOrThrow()
  return { northwind: revision, catalogue: Number(catalogue.revision) }
}
