import { createHash, randomBytes } from 'node:crypto'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import {
  type Authority,
  readConfig,
  type SettingName,
  startAuthority,
} from '../../packages/server/src/server/index.ts'
import { PASSWORD, type Person, personWith } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'

export const RESOURCE = 'https://billing.test/mcp'
export const REDIRECT = 'http://127.0.0.1:5000/callback'

/** A request on its way through a person's browser, and what its client keeps for later. */
export interface Asked {
  url: URL
  clientId: string
  redirect: string
  verifier: string
}

type Form = Record<string, string | undefined>

/** What an endpoint answered: its status and its JSON. */
export type Answered = { status: number } & Record<string, unknown>

/**
 * An authority on a socket with its database in memory: Northwind, Maya who holds all that the billing server needs, and what
 * a client does by hand. Starts in a fraction of a second.
 */
export async function startStage(settings: Partial<Record<SettingName, unknown>> = {}) {
  const port = await findFreePort()
  const config = readConfig({
    flags: {
      issuer: `http://127.0.0.1:${port}`,
      ...{ httpPort: port, adminPort: 0, databaseUrl: 'sqlite::memory:', dataDirectory: '/nowhere' },
      masterKey: Buffer.alloc(32, 7).toString('base64'),
      ...{ logLevel: 'error', passwordCost: 14, consentMayAdoptAgents: true, ...settings },
    },
  })
  let shift = 0
  const now = () => Date.now() + shift
  const authority = await startAuthority(config, { log: pino({ level: 'silent' }), drainMs: 100, now })
  const claim = createClient(contract, { baseUrl: authority.url, token: () => authority.bootstrapCode ?? '' })
  const { token } = await claim.session.bootstrap({ name: 'admin' })
  const api = createClient(contract, { baseUrl: authority.url, token: () => token })
  await seed(api)

  const send = async (path: string, form: Form, headers: Record<string, string> = {}): Promise<Answered> => {
    const fields = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const body = new URLSearchParams(fields)
    const response = await fetch(authority.url + path, { method: 'POST', body, headers })
    const text = await response.text()
    const nonce = response.headers.get('dpop-nonce')
    return {
      status: response.status,
      ...(text === '' ? {} : (JSON.parse(text) as object)),
      ...(nonce !== null && { nonce }),
    }
  }
  return {
    authority,
    api,
    url: authority.url,
    /** The time, as the authority sees it. */
    now,
    /** Sends a form to an endpoint. */
    send,
    /** Lets time pass, for the authority. */
    passTime: (ms: number) => {
      shift += ms
    },
    /** Somebody who has set a password, in a browser of their own. */
    async signedUp(email = 'maya@northwind.test', invitation?: string): Promise<Person> {
      const url = invitation ?? (await api.invitations.create({ id: email })).url
      const browser = createBrowser(authority.url)
      await browser.submit(await browser.open(url), { password: PASSWORD, again: PASSWORD })
      return personWith(browser, email)
    },
    register: (metadata: object = {}) => register(authority, metadata),
    /** A request of a client, with what is missing filled in; undefined leaves a parameter out. */
    ask: (clientId: string, given: Form = {}) => ask(authority.url, clientId, given),
    /** The same request, pushed: the address then holds nothing but its name. */
    async push(
      asked: Asked,
      proof: Form = {},
      headers: Record<string, string> = {},
    ): Promise<Answered & { url: URL }> {
      const form = { ...Object.fromEntries(asked.url.searchParams), ...proof }
      const answer = await send('/par', form, headers)
      const url = new URL(`${authority.url}/authorize`)
      url.searchParams.set('client_id', asked.clientId)
      url.searchParams.set('request_uri', String(answer['request_uri']))
      return { ...answer, url }
    },
    redeem: (asked: Asked, back: URL, more: Form = {}, headers: Record<string, string> = {}) =>
      send(
        '/token',
        {
          ...{ grant_type: 'authorization_code', client_id: asked.clientId, redirect_uri: asked.redirect },
          ...{ code: back.searchParams.get('code') ?? undefined, code_verifier: asked.verifier },
          ...{ resource: RESOURCE, ...more },
        },
        headers,
      ),
    /** What the authority has recorded, oldest first. */
    async events(type?: string) {
      const { items } = await api.audit.changes({ limit: 200, ...(type !== undefined && { type }) })
      return items
    },
    [Symbol.asyncDispose]: () => authority.close(),
  }
}

export type OauthStage = Awaited<ReturnType<typeof startStage>>

async function seed(api: Client<AdminApi>): Promise<void> {
  await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  await api.servers.create({ name: 'billing', url: RESOURCE })
  const risks = { 'invoices:read': 'read', 'invoices:refund': 'write', 'tickets:read': 'read' } as const
  for (const [slug, risk] of Object.entries(risks)) {
    await api.permissions.create({ slug, risk })
    const name = `x/${slug.replace(':', '-')}`
    await api.tools.map({ server: 'billing', kind: 'method', name, permission: slug })
  }
  await api.roles.create({ slug: 'clerk', permissions: Object.keys(risks) })
  await api.assignments.create({ principal: 'user:maya@northwind.test', role: 'clerk' })
}

async function register(authority: Authority, metadata: object): Promise<string> {
  const response = await fetch(`${authority.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Copilot', redirect_uris: [REDIRECT], ...metadata }),
  })
  return ((await response.json()) as { client_id: string }).client_id
}

function ask(issuer: string, clientId: string, given: Form): Asked {
  const verifier = randomBytes(32).toString('base64url')
  const url = new URL(`${issuer}/authorize`)
  const query: Form = {
    ...{ client_id: clientId, redirect_uri: REDIRECT, response_type: 'code', state: 's' },
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    ...{ code_challenge_method: 'S256', resource: RESOURCE, ...given },
  }
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, value)
  return { url, clientId, redirect: query['redirect_uri'] ?? '', verifier }
}
