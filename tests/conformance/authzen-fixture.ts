import { randomBytes } from 'node:crypto'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import pino from 'pino'
import { type Authority, readConfig, startAuthority } from '../../packages/server/src/server/index.ts'

export const ISSUER = 'https://auth.test'

/** An authority that is heard on a real socket, with the people, records and rules of the certification scenario. */
export interface AuthzenStand extends AsyncDisposable {
  readonly authority: Authority
  readonly admin: Client<AdminApi>
  /** An API token that carries these permissions. */
  token(...permissions: string[]): Promise<string>
  /** Asks the PDP of the organization, by a path under `/access/v1`. */
  ask(path: string, body: unknown, headers?: Record<string, string>): Promise<Heard>
  get(path: string): Promise<Heard>
}

export interface Heard {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a PDP answers is what is being tested
  body: any
}

/** Archived records are written by administrators alone, of whom bob is one. */
const MAY_WRITE =
  '!(has(resource.properties.status) && resource.properties.status == "archived")' +
  ' || (has(subject.properties.role) && subject.properties.role == "admin") || subject.id == "bob"'

export async function openAuthzenStand(): Promise<AuthzenStand> {
  const config = readConfig({
    flags: {
      issuer: ISSUER,
      databaseUrl: 'sqlite::memory:',
      masterKey: randomBytes(32).toString('base64'),
      httpPort: 0,
      adminPort: 0,
    },
  })
  const authority = await startAuthority(config, { log: pino({ level: 'silent' }), drainMs: 100 })
  const baseUrl = `http://${authority.address}`
  const code = authority.bootstrapCode ?? ''
  const { token } = await createClient(api, { baseUrl, token: () => code }).session.bootstrap({})
  const admin = createClient(api, { baseUrl, token: () => token })
  await register(admin)
  const hear = async (response: Response): Promise<Heard> => {
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    }
  }
  return {
    authority,
    admin,
    async token(...permissions) {
      const name = `t-${randomBytes(4).toString('hex')}`
      return (await admin.apiTokens.create({ name, permissions })).token ?? ''
    },
    async ask(path, body, headers = {}) {
      const init = {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }
      return hear(await fetch(`${baseUrl}/pdp/northwind/access/v1${path}`, init))
    },
    get: async path => hear(await fetch(`${baseUrl}${path}`)),
    [Symbol.asyncDispose]: () => authority.close(),
  }
}

async function register(admin: Client<AdminApi>): Promise<void> {
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.resourceTypes.create({ slug: 'record' })
  const type = 'record'
  await admin.permissions.create({ slug: 'record:read', type })
  await admin.permissions.create({ slug: 'record:write', type, condition: MAY_WRITE })
  const soft = 'has(action.properties.soft) && action.properties.soft == true'
  await admin.permissions.create({ slug: 'record:delete', type, condition: soft })
  const all = ['record:read', 'record:write', 'record:delete']
  await admin.roles.create({ slug: 'editor', type, permissions: all })
  await admin.roles.create({ slug: 'reader', type, permissions: ['record:read'] })
  for (const id of ['record-1', 'record-2']) await admin.resources.put({ type, id })
  for (const id of ['alice', 'bob']) await admin.people.create({ externalId: id, name: id })
  for (const id of ['record-1', 'record-2'])
    await admin.assignments.create({ principal: 'user:alice', role: 'editor', resource: `record/${id}` })
  await admin.assignments.create({ principal: 'user:bob', role: 'reader', resource: 'record/record-1' })
  await admin.assignments.create({ principal: 'user:bob', role: 'editor', resource: 'record/record-2' })
}
