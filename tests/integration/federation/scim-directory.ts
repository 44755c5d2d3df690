import { openPeopleSite, type PeopleSite } from '../people-site.ts'

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

// biome-ignore lint/suspicious/noExplicitAny: what comes back is looked at, not relied on
type Body = any

/** A directory elsewhere: sends requests as they are, with a token of one organization. */
export function createDirectory(site: Pick<PeopleSite, 'url'>, token: string, organization = 'northwind') {
  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${site.url}/scim/v2/${organization}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const read: Body = text === '' ? null : JSON.parse(text)
    return { status: response.status, type: response.headers.get('content-type'), body: read }
  }
  return {
    send,
    get: (path: string) => send('GET', path),
    find: (kind: 'Users' | 'Groups', filter: string) =>
      send('GET', `/${kind}?${new URLSearchParams({ filter })}`),
    patch: (path: string, ...Operations: object[]) => send('PATCH', path, { schemas: [PATCH], Operations }),
    async addUser(userName: string, more: object = {}): Promise<string> {
      const { body } = await send('POST', '/Users', { schemas: [USER], userName, ...more })
      return body.id
    },
  }
}

/** Northwind with a directory that may send, and a role that its groups may be given. */
export async function openDirectorySite() {
  const site = await openPeopleSite()
  const { token } = await site.api.scimTokens.create({ name: 'okta' })
  await site.api.permissions.create({ slug: 'tickets:read', risk: 'read' })
  await site.api.roles.create({ slug: 'helper', permissions: ['tickets:read'] })
  return {
    site,
    directory: createDirectory(site, token ?? ''),
    async mayRead(principal: string): Promise<boolean> {
      const question = { permission: 'tickets:read', resource: 'organization/northwind' }
      return (await site.api.access.check({ ...question, principal })).allowed
    },
  }
}
