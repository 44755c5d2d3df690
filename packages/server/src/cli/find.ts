import { ApiError } from '@valetkey/sdk/contract'
import { AppError, closest } from '@valetkey/sdk/core'
import { allPages, type Session } from './session.ts'
import { UsageError } from './terminal/index.ts'

/** How things of one kind are found: asked for by id or name, else looked for in the list. */
interface Finder<T> {
  noun: string
  get?(text: string): Promise<T>
  list(page: { limit: number; cursor?: string }): Promise<{ items: T[]; next: string | null }>
  /** What it may be called by. */
  names(item: T): readonly string[]
}

export function findAgent({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'agent',
    get: id => api.agents.get({ id, ...organization }),
    list: page => api.agents.list({ ...page, ...organization }),
    names: agent => [agent.id, agent.name],
  })
}

export function findServer({ api }: Session, text: string) {
  return find(text, {
    noun: 'server',
    get: id => api.servers.get({ id }),
    list: page => api.servers.list(page),
    names: server => [server.id, server.name, server.url],
  })
}

/** One of the organization's own, else one that is there for all. */
export function findRole({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'role',
    get: id => api.roles.get({ id, ...organization }),
    list: page => api.roles.list({ ...page, ...organization }),
    names: role => [role.id, role.slug],
  })
}

export function findPerson({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'person',
    get: id => api.people.get({ id, ...organization }),
    list: page => api.people.list({ ...page, ...organization }),
    names: person => [person.id, person.email],
  })
}

export function findOrganization({ api }: Session, text: string) {
  return find(text, {
    noun: 'organization',
    get: id => api.organizations.get({ id }),
    list: page => api.organizations.list(page),
    names: organization => [organization.id, organization.slug],
  })
}

export function findGroup({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'group',
    list: page => api.groups.list({ ...page, ...organization }),
    names: group => [group.id, group.name],
  })
}

export function findService({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'service',
    list: page => api.services.list({ ...page, ...organization }),
    names: service => [service.id, service.name],
  })
}

export function findGrant({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'grant',
    get: id => api.grants.get({ id, ...organization }),
    list: page => api.grants.list({ ...page, ...organization }),
    names: grant => [grant.id],
  })
}

export function findRequest({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'request',
    list: page => api.waitingRequests.list({ ...page, ...organization }),
    names: request => [request.id],
  })
}

export function findDelegation({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'delegation',
    get: id => api.delegations.get({ id, ...organization }),
    list: page => api.delegations.list({ ...page, ...organization }),
    names: delegation => [delegation.id],
  })
}

export function findDelegationRule({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'rule',
    list: page => api.delegationRules.list({ ...page, ...organization }),
    names: rule => [rule.id],
  })
}

export function findIdentityProvider({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'identity provider',
    get: provider => api.identityProviders.get({ provider, ...organization }),
    list: page => api.identityProviders.list({ ...page, ...organization }),
    names: provider => [provider.id, provider.name],
  })
}

export function findIssuer({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'trusted issuer',
    get: issuerId => api.issuers.get({ issuerId, ...organization }),
    list: page => api.issuers.list({ ...page, ...organization }),
    names: issuer => [issuer.id, issuer.name],
  })
}

export function findScimToken({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'SCIM token',
    list: page => api.scimTokens.list({ ...page, ...organization }),
    names: token => [token.id, token.name],
  })
}

export function findSignalReceiver({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'receiver',
    list: page => api.signalReceivers.list({ ...page, ...organization }),
    names: receiver => [receiver.id, receiver.name],
  })
}

export function findSignalSource({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'source',
    list: page => api.signalSources.list({ ...page, ...organization }),
    names: source => [source.id, source.name],
  })
}

export function findAlert({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'alert',
    get: alert => api.alerts.get({ alert, ...organization }),
    list: page => api.alerts.list({ ...page, ...organization }),
    names: alert => [alert.id],
  })
}

export function findSink({ api, organization }: Session, text: string) {
  return find(text, {
    noun: 'sink',
    get: sink => api.sinks.get({ sink, ...organization }),
    list: page => api.sinks.list({ ...page, ...organization }),
    names: sink => [sink.id, sink.name],
  })
}

export function findResourceType({ api }: Session, text: string) {
  return find(text, {
    noun: 'resource type',
    list: page => api.resourceTypes.list(page),
    names: type => [type.id, type.slug],
  })
}

export function findPermission({ api }: Session, text: string) {
  return find(text, {
    noun: 'permission',
    list: page => api.permissions.list(page),
    names: permission => [permission.id, permission.slug],
  })
}

/** The organization that is meant: the one of `--org`, or the only one. */
export async function findOwnOrganization(session: Session) {
  const { organization } = session.organization
  if (organization !== undefined) return findOrganization(session, organization)
  const { items } = await session.api.organizations.list({ limit: 11 })
  const [only, another] = items
  if (only && !another) return only
  throw new UsageError(
    'Which organization?',
    only ? `There are ${items.map(({ slug }) => slug).join(', ')}.` : 'There is none yet.',
    only ? 'Name one: add --org SLUG, or set VALETKEY_ORGANIZATION.' : 'Create one: valetkey org create SLUG',
  )
}

export function findTool({ api }: Session, server: string, text: string, kind?: string) {
  return find(text, {
    noun: kind ?? 'tool',
    list: async page => {
      const { items, next } = await api.tools.list({ ...page, server })
      return { items: items.filter(tool => kind === undefined || tool.kind === kind), next }
    },
    names: tool => [tool.id, tool.name],
  })
}

export function findServerKey({ api }: Session, server: string, text: string) {
  return find(text, {
    noun: 'key',
    list: page => api.serverKeys.list({ ...page, server }),
    names: key => [key.id],
  })
}

/** A credential by a part of its id, among those of all agents. */
export async function findCredential(session: Session, text: string) {
  const { api, organization } = session
  return find(text, {
    noun: 'credential',
    list: async page => {
      const agents = await api.agents.list({ ...page, ...organization })
      const lists = await Promise.all(
        agents.items.map(agent =>
          allPages(part => api.credentials.list({ ...part, agent: agent.id, ...organization })),
        ),
      )
      return { items: lists.flat(), next: agents.next }
    },
    names: credential => [credential.id],
  })
}

async function find<T>(text: string, finder: Finder<T>): Promise<T> {
  if (finder.get) {
    try {
      return await finder.get(text)
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'not_found')) throw error
    }
  }
  const items = await allPages(finder.list)
  const exact = items.filter(item => finder.names(item).includes(text))
  const found =
    exact.length > 0 ? exact : items.filter(item => finder.names(item).some(name => name.startsWith(text)))
  const [first, second] = found
  if (first && !second) return first
  const names = (list: T[]) => list.map(item => finder.names(item)[1] ?? finder.names(item)[0] ?? '')
  if (second)
    throw new AppError(
      'not_found',
      `"${text}" could be ${names(found).slice(0, 5).join(', ')}. Write more of it.`,
    )
  const meant = closest(text, names(items))
  throw new AppError(
    'not_found',
    `There is no ${finder.noun} "${text}".${meant ? ` Did you mean "${meant}"?` : ''}`,
  )
}
