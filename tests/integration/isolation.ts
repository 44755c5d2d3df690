import { api, type Route } from '@valetkey/sdk/contract'
import { newId } from '@valetkey/sdk/core'
import { expect } from 'vitest'
import { addApp } from './authenticator.ts'
import { linkPerson } from './federation/linked.ts'
import { handOn, type Product } from './product.ts'
import { askSomebody } from './waiting.ts'

/**
 * Two organizations with the same shape. Whoever asks in one of them and names anything of the other, by id or by name,
 * is told the same as for what does not exist, and nothing changes anywhere.
 */

export const HOME = 'home'
const AWAY = 'away'

/** What somebody in `home` could have guessed or stolen of `away`, by what it is. */
export interface Foreign {
  user: string[]
  agent: string[]
  group: string[]
  service: string[]
  resource: string[]
  grant: string[]
  request: string[]
  rule: string[]
  delegation: string[]
  assignment: string[]
  role: string[]
  provider: string[]
  domain: string[]
  link: string[]
  scimToken: string[]
  issuer: string[]
  receiver: string[]
  signalSource: string[]
  factor: string[]
}

/** Makes the two organizations; gives what there is in the one that the caller is not in. */
export async function settle(product: Product): Promise<Foreign> {
  const admin = product.client()
  for (const slug of [HOME, AWAY]) await admin.organizations.create({ slug, name: slug })
  await admin.resourceTypes.create({ slug: 'customer' })
  await admin.permissions.create({ slug: 'customer:read', type: 'customer' })
  await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['customer:read'] })
  await admin.roles.create({ slug: 'overseer', permissions: ['customer:read'] })
  await admin.servers.create({ name: 'billing', url: 'https://billing.test/mcp' })
  await furnish(product, HOME, 1)
  const foreign = await furnish(product, AWAY, 8)
  const [from = '', , to = ''] = foreign.agent
  foreign.delegation.push((await handOn(product, { organization: AWAY, from, to })).id)
  return foreign
}

async function furnish(product: Product, organization: string, many: number): Promise<Foreign> {
  const admin = product.client()
  const all: Foreign = {
    user: [],
    agent: [],
    group: [],
    service: [],
    resource: [],
    grant: [],
    request: [],
    rule: [],
    delegation: [],
    assignment: [],
    role: [],
    provider: [],
    domain: [],
    link: [],
    scimToken: [],
    issuer: [],
    receiver: [],
    signalSource: [],
    factor: [],
  }
  const put = (kind: keyof Foreign, { id }: { id: string }, ...names: string[]) =>
    all[kind].push(id, ...names)
  for (let n = 0; n < many; n++) {
    const name = `${organization}-${n}`
    const externalId = `person-${name}`
    const person = await admin.people.create({ organization, externalId, name })
    put('user', person, `user:${externalId}`)
    const agent = { organization, name: `agent-${name}`, owner: externalId, ceiling: ['customer:read'] }
    put('agent', await admin.agents.create({ ...agent, kind: 'both' }), `agent:agent-${name}`)
    put('group', await admin.groups.create({ organization, name: `group-${name}` }), `group:group-${name}`)
    put('service', await admin.services.create({ organization, name: `svc-${name}` }), `service:svc-${name}`)
    await admin.resources.put({ organization, type: 'customer', id: name })
    all.resource.push(`customer/${name}`)
    const role = { organization, slug: `role-${name}`, type: 'customer', permissions: ['customer:read'] }
    put('role', await admin.roles.create(role), role.slug)
    for (const principal of [`user:${externalId}`, `agent:agent-${name}`, `group:group-${name}`])
      put('assignment', await admin.assignments.create({ organization, principal, role: 'overseer' }))
    const grant = { organization, agent: agent.name, person: externalId, scopes: ['customer:read'] }
    put('grant', await admin.grants.create(grant))
    const { id: asks } = await admin.agents.get({ organization, id: agent.name })
    all.request.push(await askSomebody(product, { agent: asks, person: person.id }))
    const oidc = { issuer: `https://${name}.test`, clientId: 'valetkey' }
    const provider = await admin.identityProviders.create({ organization, name: `idp-${name}`, oidc })
    put('provider', provider, provider.name)
    const { domain } = await admin.domains.claim({ organization, domain: `${name}.test` })
    all.domain.push(domain)
    const trusted = { name: `tri-${name}`, kind: 'workload', issuer: `https://ci.${name}.test` } as const
    put('issuer', await admin.issuers.create({ organization, ...trusted }), trusted.name)
    put('scimToken', await admin.scimTokens.create({ organization, name }))
    put('receiver', await admin.signalReceivers.create({ organization, name: `sgr-${name}` }), `sgr-${name}`)
    const { issuer } = oidc
    const source = {
      organization,
      name: `sgs-${name}`,
      provider: provider.id,
      issuer,
      jwksUri: `${issuer}/keys`,
    }
    put('signalSource', await admin.signalSources.create(source), source.name)
    all.factor.push(await addApp(product.store, person))
    all.link.push(await linkPerson(product, { provider: provider.id, person: person.id }))
    const rule = { organization, from: `agent:${agent.name}`, to: 'organization' }
    put('rule', await admin.delegationRules.put(rule))
  }
  return all
}

/** By the name of a field, what somebody could put there. */
const FIELDS: Record<string, readonly (keyof Foreign)[]> = {
  principal: ['user', 'agent', 'group', 'service'],
  member: ['user', 'agent', 'group', 'service'],
  agent: ['agent'],
  person: ['user'],
  owner: ['user'],
  group: ['group'],
  service: ['service'],
  resource: ['resource'],
  parent: ['resource'],
  role: ['role'],
  provider: ['provider'],
  issuerId: ['issuer'],
  link: ['link'],
  scimToken: ['scimToken'],
  receiver: ['receiver'],
  signalSource: ['signalSource'],
  from: ['agent'],
  to: ['agent'],
  factor: ['factor'],
}
/** What a bare `id` in a path names, by the group of the operation. */
const IDS: Record<string, keyof Foreign> = {
  people: 'user',
  factors: 'user',
  agents: 'agent',
  roles: 'role',
  assignments: 'assignment',
  grants: 'grant',
  waitingRequests: 'request',
  delegations: 'delegation',
  delegationRules: 'rule',
  invitations: 'user',
  revocations: 'agent',
  freezes: 'agent',
}

/** What of `home` goes into the other fields of an operation, so that nothing else is what it is refused for. */
const OWN: Record<string, unknown> = {
  principal: 'user:person-home-0',
  member: 'user:person-home-0',
  agent: 'agent-home-0',
  person: 'person-home-0',
  owner: 'person-home-0',
  group: 'group-home-0',
  service: 'svc-home-0',
  resource: 'customer/home-0',
  parent: 'customer/home-0',
  from: 'agent:agent-home-0',
  to: 'agent:agent-home-0',
  role: 'overseer',
  permission: 'customer:read',
  type: 'customer',
  scopes: ['customer:read'],
  ceiling: ['customer:read'],
  name: 'new',
  id: 'new',
  slug: 'new',
  status: 'suspended',
  reason: 'guessed',
  server: 'billing',
  permissions: ['customer:read'],
  redirectUris: ['http://127.0.0.1/callback'],
  provider: 'idp-home-0',
  domain: 'home-0.test',
  issuer: 'https://home-0.test',
  jwksUri: 'https://home-0.test/keys',
}

/** What some fields mean differs from one operation to another. */
const SPECIAL: Record<string, Record<string, string>> = {
  'agents.update': { id: 'agent-home-0' },
  'credentials.create': { kind: 'secret' },
  'grants.list': { status: 'live' },
  'revocations.create': { kind: 'agent' },
  'revocations.preview': { kind: 'agent' },
  'freezes.freeze': { kind: 'agent' },
  'freezes.thaw': { kind: 'agent' },
  'identityProviders.update': { status: 'disabled' },
  'factors.remove': { id: 'person-home-0' },
  'signalStreams.update': { status: 'paused' },
}

interface Place {
  operation: string
  route: Route
  field: string
  kinds: readonly (keyof Foreign)[]
}

/** Every place in the API where something of an organization is named. */
function placesOf(): Place[] {
  return Object.entries(api).flatMap(([group, routes]) =>
    Object.entries<Route>(routes).flatMap(([name, route]) => {
      const schema = route.body ?? route.query
      if (!schema || !('organization' in schema.shape) || group === 'audit') return []
      const inPath = [...route.path.matchAll(/:(\w+)/g)].map(match => match[1] ?? '')
      return [...Object.keys(schema.shape), ...inPath].flatMap(field => {
        const own =
          field === 'id' && (inPath.includes(field) || group === 'revocations') ? IDS[group] : undefined
        // Anybody may claim a domain; only its own claim can be worked on.
        const isDomain = field === 'domain' && inPath.includes(field)
        const kinds = own ? [own] : isDomain ? (['domain'] as const) : FIELDS[field]
        // A sink begins at a moment and not with somebody.
        if (group === 'sinks' && field === 'from') return []
        // A hold in an organization may name whom only its record still knows.
        if (group === 'evidence' && name === 'hold') return []
        return kinds ? [{ operation: `${group}.${name}`, route, field, kinds }] : []
      })
    }),
  )
}

/** A call in `home` that is right in all but one field. */
function callOf({ operation, route, field }: Place, value: string): Record<string, unknown> {
  const schema = route.body ?? route.query
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(match => match[1] ?? '')
  const names = [...Object.keys(schema?.shape ?? {}), ...inPath]
  const known = names.filter(name => name in OWN).map(name => [name, OWN[name]])
  return { ...Object.fromEntries(known), ...SPECIAL[operation], organization: HOME, [field]: value }
}

/** What is said of something that exists elsewhere, and of something that exists nowhere. */
const NOWHERE: Record<keyof Foreign, () => string> = {
  user: () => newId('person'),
  agent: () => newId('agent'),
  group: () => newId('group'),
  service: () => newId('service'),
  resource: () => `customer/${newId('request')}`,
  grant: () => newId('grant'),
  request: () => newId('waitingRequest'),
  rule: () => newId('delegationRule'),
  delegation: () => newId('delegation'),
  assignment: () => newId('assignment'),
  role: () => newId('role'),
  provider: () => newId('identityProvider'),
  domain: () => 'nowhere.test',
  link: () => newId('identityLink'),
  scimToken: () => newId('scimToken'),
  issuer: () => newId('trustedIssuer'),
  receiver: () => newId('signalReceiver'),
  signalSource: () => newId('signalSource'),
  factor: () => newId('factor'),
}

/** Spelled as the other one is: an id may be of somebody whom only the record still knows, a name may not. */
function nowhere(kind: keyof Foreign, value: string): string {
  const isName = kind in { user: 1, agent: 1, group: 1, service: 1 } && /^\w+-away-\d+$/.test(value)
  return isName ? value.replace('away', 'nowhere') : NOWHERE[kind]()
}

/**
 * Names things of the other organization in every place of the API where anything can be named, so many times each. Fails
 * where one is found or permitted, where the answer differs from that for what is nowhere, and where anything has changed.
 */
export async function guessEverywhere(product: Product, each: number) {
  const foreign = await settle(product)
  const admin = product.client() as unknown as Record<
    string,
    Record<string, (input: unknown) => Promise<unknown>>
  >
  const before = await heads(product)
  const places = placesOf()
  expect(places.length).toBeGreaterThan(40)
  const counts = { asked: 0, refused: 0, denied: 0, empty: 0 }
  for (const place of places)
    for (let n = 0; n < each; n++) {
      const kind = place.kinds[n % place.kinds.length] as keyof Foreign
      const named = foreign[kind][Math.floor(Math.random() * foreign[kind].length)] as string
      // Where the kind is known by the field, names go without it.
      const value = ['principal', 'member'].includes(place.field) ? named : named.replace(/^\w+:/, '')
      const [group = '', name = ''] = place.operation.split('.')
      const ask = (of: string) =>
        admin[group]?.[name]?.(callOf(place, of)).then(
          answer => ({ answer }),
          ({ status, code }) => ({ status, code }),
        )
      const told = await ask(value)
      counts.asked++
      const where = `${place.operation} ${place.field}=${value}: ${JSON.stringify(told)}`
      expect(told, where).toEqual(expect.anything())
      const { answer, status } = told as { answer?: Record<string, unknown>; status?: number }
      if (status !== undefined) {
        // An owner that is not there makes a wrong wish; one that is asked about is not found.
        const isWish = place.field === 'owner' && group !== 'evidence'
        expect(status, where).toBe(isWish ? 400 : 404)
        counts.refused++
      } else if (answer && 'allowed' in answer) {
        expect(answer['allowed'], where).toBe(false)
        counts.denied++
      } else {
        expect(
          answer?.['items'] ?? answer?.['permissions'] ?? answer?.['roots'] ?? answer?.['ids'],
          where,
        ).toEqual([])
        expect(answer?.['all'] ?? false, where).toBe(false)
        counts.empty++
      }
      if (n < 2)
        expect(strip(await ask(nowhere(kind, value))), `the same as for what is nowhere: ${where}`).toEqual(
          strip(told),
        )
    }
  expect(counts.refused * counts.denied * counts.empty, JSON.stringify(counts)).toBeGreaterThan(0)
  expect(await heads(product), 'nothing has changed').toEqual(before)
  return counts
}

/** Without what differs between any two answers. */
function strip(told: unknown): unknown {
  return JSON.parse(
    JSON.stringify(told, (key, value) => (['revision', 'sentence', 'path'].includes(key) ? 0 : value)),
  )
}

function heads(product: Product) {
  return product.store.db.selectFrom('organization').select(['id', 'revision']).orderBy('id').execute()
}
