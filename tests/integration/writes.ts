import { addApp } from './authenticator.ts'
import { linkPerson } from './federation/linked.ts'
import { handOn, INVOICE_RULE, type northwind, type Product } from './product.ts'
import { askSomebody } from './waiting.ts'

type Client = ReturnType<Product['client']>
type World = Awaited<ReturnType<typeof northwind>>
/** `facts`: enforcement points are told. `event`: only recorded. `nothing`: asks, changes nothing. */
type Trace = 'facts' | 'event' | 'nothing'

const KEY = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }

const QUESTION = {
  principal: 'agent:support-bot',
  permission: 'invoices:read',
  resource: 'organization/northwind',
}
const { principal, permission, resource } = QUESTION

/** Nothing is sent there: it lies in this network. */
const SINK = { name: 'hook', kind: 'webhook', url: 'https://127.0.0.1:1/' } as const

/** One way to make each operation that is not a GET do something. One that is missing fails a test. */
export const WRITES: Record<
  string,
  [Trace, (client: Client, world: World, product: Product) => Promise<unknown>]
> = {
  'session.bootstrap': ['event', async () => undefined],
  'organizations.create': ['facts', c => c.organizations.create({ slug: 'contoso', name: 'Contoso' })],
  'organizations.freeze': ['facts', c => c.organizations.freeze({ id: 'northwind' })],
  'organizations.thaw': [
    'facts',
    async c => {
      await c.organizations.freeze({ id: 'northwind' })
      return c.organizations.thaw({ id: 'northwind', reason: 'looked into' })
    },
  ],
  'signIn.update': ['event', c => c.signIn.update({ id: 'northwind', secondFactor: 'required' })],
  'people.create': ['facts', c => c.people.create({ email: 'ada@northwind.test', name: 'Ada' })],
  'people.update': ['facts', c => c.people.update({ id: 'maya@northwind.test', status: 'suspended' })],
  'people.signOut': ['event', c => c.people.signOut({ id: 'maya@northwind.test', reason: 'lost laptop' })],
  'factors.remove': [
    'event',
    async (c, { maya }, { store }) => c.factors.remove({ id: maya.id, factor: await addApp(store, maya) }),
  ],
  'agents.create': [
    'facts',
    c => c.agents.create({ name: 'new', owner: 'maya@northwind.test', ceiling: [] }),
  ],
  'agents.update': ['facts', c => c.agents.update({ id: 'support-bot', purpose: 'answers' })],
  'agents.suspend': ['facts', c => c.agents.suspend({ id: 'support-bot' })],
  'agents.resume': [
    'facts',
    async c => {
      await c.agents.suspend({ id: 'support-bot' })
      return c.agents.resume({ id: 'support-bot', reason: 'looked into' })
    },
  ],
  'credentials.create': [
    'facts',
    c => c.credentials.create({ agent: 'support-bot', publicKey: KEY as never }),
  ],
  'evidence.export': ['event', c => c.evidence.export({ organization: 'northwind' })],
  'evidence.erase': [
    'event',
    (c, { maya }) => c.evidence.erase({ organization: 'northwind', person: maya.id, reason: 'left' }),
  ],
  'evidence.setRetention': [
    'event',
    c => c.evidence.setRetention({ organization: 'northwind', records: 'calls', days: 400 }),
  ],
  'evidence.hold': ['event', c => c.evidence.hold({ organization: 'northwind', reason: 'a case' })],
  'evidence.release': [
    'event',
    async c => {
      const { id } = await c.evidence.hold({ organization: 'northwind', reason: 'a case' })
      return c.evidence.release({ id, reason: 'settled' })
    },
  ],
  'evidence.rotateKey': ['event', c => c.evidence.rotateKey({})],
  'servers.create': ['facts', c => c.servers.create({ name: 'crm', url: 'https://crm.test/mcp' })],
  'servers.update': ['facts', c => c.servers.update({ id: 'billing', mode: 'audit' })],
  'servers.setUpstreamCredential': [
    'facts',
    c => c.servers.setUpstreamCredential({ id: 'billing', value: 'Bearer upstream-s3cret' }),
  ],
  'serverKeys.create': ['facts', c => c.serverKeys.create({ server: 'billing' })],
  'serverKeys.revoke': [
    'facts',
    async c => {
      const { id } = await c.serverKeys.create({ server: 'billing' })
      return c.serverKeys.revoke({ server: 'billing', id })
    },
  ],
  'forwards.allow': ['facts', c => allowForward(c)],
  'forwards.disallow': [
    'facts',
    async c => {
      await allowForward(c)
      return c.forwards.disallow({ server: 'billing', to: 'crm' })
    },
  ],
  'tools.map': ['facts', c => c.tools.map({ server: 'billing', ...INVOICE_RULE, name: 'other' })],
  'tools.unmap': ['facts', c => c.tools.unmap({ server: 'billing', id: 'get_invoice' })],
  'resourceTypes.create': ['facts', c => c.resourceTypes.create({ slug: 'customer' })],
  'resourceTypes.update': ['facts', c => c.resourceTypes.update({ id: 'invoice', name: 'Invoice' })],
  'permissions.update': ['facts', c => c.permissions.update({ id: 'invoices:read', risk: 'dangerous' })],
  'resources.put': ['facts', c => putTree(c)],
  'resources.move': [
    'facts',
    async c => {
      await putTree(c)
      return c.resources.move({ resource: 'desk/d1', parent: 'organization/northwind' })
    },
  ],
  'resources.remove': [
    'facts',
    async c => {
      await putTree(c)
      return c.resources.remove({ resource: 'room/r1', cascade: 'true' })
    },
  ],
  'resources.import': [
    'facts',
    async c => {
      await putTree(c)
      return c.resources.import({ rows: [{ type: 'room', id: 'r2' }] })
    },
  ],
  'groups.create': ['facts', c => c.groups.create({ name: 'finance' })],
  'groups.add': ['facts', c => addMaya(c)],
  'groups.drop': [
    'facts',
    async c => {
      await addMaya(c)
      return c.groups.drop({ group: 'finance', member: 'maya@northwind.test' })
    },
  ],
  'groups.remove': [
    'facts',
    async c => {
      await addMaya(c)
      return c.groups.remove({ group: 'finance' })
    },
  ],
  'services.create': ['facts', c => c.services.create({ name: 'nightly' })],
  'services.update': [
    'facts',
    async c => {
      await c.services.create({ name: 'nightly' })
      return c.services.update({ service: 'nightly', status: 'suspended' })
    },
  ],
  'delegations.revoke': [
    'facts',
    async (c, _, product) => c.delegations.revoke({ id: await delegate(c, product) }),
  ],
  'delegationRules.put': ['event', c => c.delegationRules.put({ from: 'role:clerk', to: 'organization' })],
  'delegationRules.remove': [
    'facts',
    async (c, _, product) => {
      await delegate(c, product)
      const { items } = await c.delegationRules.list({})
      return c.delegationRules.remove({ id: items[0]?.id ?? '' })
    },
  ],
  'grants.create': ['facts', c => letAct(c)],
  'grants.revoke': ['facts', async c => c.grants.revoke({ id: (await letAct(c)).id })],
  'grants.revokeAll': [
    'facts',
    async c => {
      const { agent } = await letAct(c)
      return c.grants.revokeAll({ agent })
    },
  ],
  'waitingRequests.cancel': [
    'event',
    async (c, _, product) => c.waitingRequests.cancel({ id: await asks(c, product) }),
  ],
  'waitingRequests.cancelAll': [
    'event',
    async (c, _, product) => {
      await asks(c, product)
      return c.waitingRequests.cancelAll({ agent: 'support-bot' })
    },
  ],
  'consent.update': ['event', c => c.consent.update({ id: 'northwind', longestSeconds: 86_400 })],
  'assignments.clear': ['facts', c => c.assignments.clear({ principal: 'support-bot' })],
  'identityProviders.create': ['event', c => addProvider(c)],
  'identityProviders.update': [
    'facts',
    async (c, { maya }, product) => {
      const { id } = await addProvider(c, { roles: [{ group: 'clerks', role: 'clerk' }] })
      await linkPerson(product, { provider: id, person: maya.id, groups: ['clerks'] })
      return c.identityProviders.update({ provider: 'okta', title: 'Okta of Northwind' })
    },
  ],
  'identityProviders.remove': [
    'event',
    async c => {
      await addProvider(c)
      return c.identityProviders.remove({ provider: 'okta' })
    },
  ],
  'identityLinks.remove': [
    'event',
    async (c, { maya }, product) => {
      const { id: provider } = await addProvider(c)
      return c.identityLinks.remove({ link: await linkPerson(product, { provider, person: maya.id }) })
    },
  ],
  'domains.claim': ['event', c => c.domains.claim({ domain: 'northwind.test' })],
  'domains.verify': ['event', c => claimAnd(c, () => c.domains.verify({ domain: 'proved.test' }))],
  'domains.trust': ['event', c => claimAnd(c, () => c.domains.trust({ domain: 'proved.test' }))],
  'domains.update': [
    'event',
    async c => {
      await addProvider(c)
      return claimAnd(c, () => c.domains.update({ domain: 'proved.test', provider: 'okta' }))
    },
  ],
  'domains.remove': ['event', c => claimAnd(c, () => c.domains.remove({ domain: 'proved.test' }))],
  'issuers.create': ['facts', c => addIssuer(c)],
  'issuers.update': [
    'facts',
    async c => {
      await addIssuer(c)
      return c.issuers.update({ issuerId: 'ci', rules: [] })
    },
  ],
  'issuers.remove': [
    'facts',
    async c => {
      await addIssuer(c)
      return c.issuers.remove({ issuerId: 'ci' })
    },
  ],
  'scimTokens.create': ['event', c => c.scimTokens.create({ name: 'okta' })],
  'scimTokens.revoke': [
    'event',
    async c => {
      const { id } = await c.scimTokens.create({ name: 'okta' })
      return c.scimTokens.revoke({ scimToken: id })
    },
  ],
  'signalReceivers.create': ['event', c => addReceiver(c)],
  'signalReceivers.rotateSecret': [
    'event',
    async c => {
      await addReceiver(c)
      return c.signalReceivers.rotateSecret({ receiver: 'siem' })
    },
  ],
  'signalReceivers.remove': [
    'event',
    async c => {
      await addReceiver(c)
      return c.signalReceivers.remove({ receiver: 'siem' })
    },
  ],
  'signalStreams.start': ['event', c => addStream(c)],
  'signalStreams.update': [
    'event',
    async c => {
      await addStream(c)
      return c.signalStreams.update({ receiver: 'siem', status: 'paused' })
    },
  ],
  'signalStreams.verify': [
    'event',
    async c => {
      await addStream(c)
      return c.signalStreams.verify({ receiver: 'siem' })
    },
  ],
  'signalSources.create': ['event', c => addSource(c)],
  'signalSources.remove': [
    'event',
    async c => {
      await addSource(c)
      return c.signalSources.remove({ signalSource: 'okta' })
    },
  ],
  'sinks.create': ['event', c => c.sinks.create(SINK)],
  'sinks.update': [
    'event',
    async c => {
      await c.sinks.create(SINK)
      return c.sinks.update({ sink: 'hook', status: 'paused' })
    },
  ],
  'sinks.remove': [
    'event',
    async c => {
      await c.sinks.create(SINK)
      return c.sinks.remove({ sink: 'hook' })
    },
  ],
  'sinks.test': [
    'event',
    async c => {
      await c.sinks.create(SINK)
      return c.sinks.test({ sink: 'hook' })
    },
  ],
  'alerts.acknowledge': [
    'event',
    async (c, { agent }, product) => c.alerts.acknowledge({ alert: await addAlert(product, agent) }),
  ],
  'alerts.updatePolicy': ['event', c => c.alerts.updatePolicy({ id: 'northwind', suspendOn: ['burst'] })],
  'signalKeys.rotate': ['event', c => c.signalKeys.rotate({})],
  'invitations.create': ['event', c => c.invitations.create({ id: 'maya@northwind.test' })],
  'clients.register': [
    'event',
    c => c.clients.register({ agent: 'support-bot', redirectUris: ['http://127.0.0.1/callback'] }),
  ],
  'points.wait': ['nothing', c => c.points.wait({ waitMs: 1 })],
  'access.check': ['nothing', c => c.access.check(QUESTION)],
  'access.checkMany': ['nothing', c => c.access.checkMany({ checks: [QUESTION] })],
  'access.effective': ['nothing', c => c.access.effective({ principal, resource })],
  'access.resources': ['nothing', c => c.access.resources({ principal, permission, type: 'organization' })],
  'access.principals': ['nothing', c => c.access.principals({ permission, resource })],
  'access.reach': ['nothing', c => c.access.reach({ principal })],
  'access.filter': ['nothing', c => c.access.filter({ principal, permission })],
  'access.explain': ['nothing', c => c.access.explain(QUESTION)],
  'access.whatIf': [
    'nothing',
    c => c.access.whatIf({ policy: { version: 1, permissions: { 'orders:read': {} } }, checks: [QUESTION] }),
  ],
  'permissions.create': ['facts', c => c.permissions.create({ slug: 'invoices:write' })],
  'roles.create': ['facts', c => c.roles.create({ slug: 'viewer', permissions: ['invoices:read'] })],
  'roles.update': ['facts', c => c.roles.update({ id: 'clerk', permissions: [] })],
  'assignments.create': [
    'facts',
    c => c.assignments.create({ principal: 'maya@northwind.test', role: 'clerk' }),
  ],
  'assignments.remove': ['facts', (c, { assignment }) => c.assignments.remove({ id: assignment.id })],
  'revocations.preview': ['nothing', c => c.revocations.preview({ kind: 'agent', id: 'support-bot' })],
  'freezes.freeze': ['facts', c => c.freezes.freeze({ kind: 'tool', id: 'billing/get_invoice' })],
  'freezes.thaw': [
    'facts',
    async c => {
      await c.freezes.freeze({ kind: 'all' })
      return c.freezes.thaw({ kind: 'all', reason: 'looked into' })
    },
  ],
  'revocations.create': ['facts', c => c.revocations.create({ kind: 'agent', id: 'support-bot' })],
  'signingKeys.rotate': ['facts', c => c.signingKeys.rotate({})],
  'signingKeys.retire': [
    'facts',
    async c => c.signingKeys.retire({ kid: (await c.signingKeys.rotate({})).kid }),
  ],
  'decisions.check': [
    'nothing',
    c => c.decisions.check({ agent: 'support-bot', server: 'billing', name: 'get_invoice' }),
  ],
  'policy.apply': [
    'facts',
    c => c.policy.apply({ policy: { version: 1, permissions: { 'orders:read': {} } } }),
  ],
  'apiTokens.create': ['event', c => c.apiTokens.create({ name: 'ci', permissions: ['agent:read'] })],
  'apiTokens.revoke': [
    'event',
    async c => {
      const { id } = await c.apiTokens.create({ name: 'ci', permissions: ['agent:read'] })
      return c.apiTokens.revoke({ id })
    },
  ],
}

async function addAlert({ store }: Product, { id, organization }: World['agent']): Promise<string> {
  const at = '2027-01-01T00:00:00.000Z'
  const alert = {
    ...{ id: 'alr_1', organizationId: organization, agentId: id, kind: 'burst', at, raisedAt: at },
    ...{ sentence: 'It did.', what: '[]', usual: '', records: '[]', suspension: 'none' as const },
    ...{ acknowledgedAt: null, acknowledgedBy: null, note: null },
  }
  await store.write(tx => tx.insertInto('alert').values(alert).execute())
  return alert.id
}

async function putTree(client: Client) {
  await client.resourceTypes.create({ slug: 'room' })
  await client.resourceTypes.create({ slug: 'desk', parents: ['organization', 'room'] })
  await client.resources.put({ type: 'room', id: 'r1' })
  return client.resources.put({ type: 'desk', id: 'd1', parent: 'room/r1' })
}

async function allowForward(client: Client) {
  await client.servers.create({ name: 'crm', url: 'https://crm.test/mcp' })
  return client.forwards.allow({ server: 'billing', to: 'crm' })
}

async function addMaya(client: Client) {
  await client.groups.create({ name: 'finance' })
  return client.groups.add({ group: 'finance', member: 'maya@northwind.test' })
}

function addProvider(client: Client, more: object = {}) {
  const oidc = { issuer: 'https://northwind.okta.test', clientId: 'valetkey' }
  return client.identityProviders.create({ name: 'okta', oidc, ...more })
}

function addIssuer(client: Client) {
  const rules = [{ agent: 'support-bot', claims: { repository: 'northwind/billing' } }]
  return client.issuers.create({ name: 'ci', kind: 'workload', issuer: 'https://ci.test', rules })
}

function addReceiver(client: Client) {
  return client.signalReceivers.create({ name: 'siem' })
}

async function addStream(client: Client) {
  await addReceiver(client)
  return client.signalStreams.start({ receiver: 'siem' })
}

async function addSource(client: Client) {
  await addProvider(client)
  const issuer = 'https://northwind.okta.test'
  return client.signalSources.create({ name: 'okta', provider: 'okta', issuer, jwksUri: `${issuer}/keys` })
}

async function claimAnd(client: Client, work: () => Promise<unknown>) {
  await client.domains.claim({ domain: 'proved.test' })
  return work()
}

/** support-bot lets another agent act, which takes it up. */
async function delegate(client: Client, product: Product) {
  await client.agents.create({ name: 'analyst', owner: 'maya@northwind.test', ceiling: ['invoices:*'] })
  await client.delegationRules.put({ from: 'agent:support-bot', to: 'agent:analyst' })
  const sides = { organization: 'northwind', from: 'support-bot', to: 'analyst' }
  return (await handOn(product, sides)).id
}

/** support-bot waits for whoever types its code. */
async function asks(client: Client, product: Product) {
  return askSomebody(product, { agent: (await client.agents.get({ id: 'support-bot' })).id })
}

async function letAct(client: Client) {
  await client.agents.update({ id: 'support-bot', kind: 'both' })
  return client.grants.create({
    agent: 'support-bot',
    person: 'maya@northwind.test',
    scopes: ['invoices:read'],
  })
}
