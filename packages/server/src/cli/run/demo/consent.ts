import { createServer } from 'node:http'
import {
  Client,
  createPrivateKeyJwtAuth,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import type { AdminApi, Client as ApiClient, Output } from '@valetkey/sdk/contract'
import { findFreePort } from './files.ts'
import { type Answer, invite } from './person.ts'
import type { AskSomebody, Cast, Closer, KeptKey } from './stage.ts'
import { callAsBeat, type Tell, type ToolCall } from './telling.ts'

export const MAYA = 'maya@northwind.dev'
const ROLE = { organization: 'northwind', principal: `user:${MAYA}`, role: 'support-agent' }
const DAY_SECONDS = 86_400
const TODAY: Answer = {
  scopes: ['tickets:read', 'invoices:read'],
  resources: ['customer/acme'],
  seconds: DAY_SECONDS,
}

const ACME: ToolCall = { name: 'list_invoices', arguments: { customer: 'acme' } }
const TICKETS: ToolCall = { name: 'list_tickets', arguments: { customer: 'acme' } }
const GLOBEX: ToolCall = { name: 'list_invoices', arguments: { customer: 'globex' } }

/** What maya's answer has led to: a client that acts for her, and the role that lets her let it. */
export interface Consented {
  forMaya: Client
  role: Output<AdminApi['assignments']['create']>
}

/**
 * Maya signs in and lets support-bot read tickets and invoices, for Acme, today: the official SDK's client asks with code
 * and PKCE, and she answers on the authority's own pages, or somebody does for her in a browser.
 */
export async function letItAct(cast: Cast, tell: Tell, closers: Closer[]): Promise<Consented> {
  const { api, billing, supportBot, askSomebody } = cast
  const role = await api.assignments.create(ROLE)
  const port = await findFreePort()
  const redirect = `http://127.0.0.1:${port}/callback`
  await api.clients.register({ organization: 'northwind', agent: 'support-bot', redirectUris: [redirect] })
  const decide = askSomebody ? inBrowser(api, port, askSomebody) : scripted(api)
  const consented: { client?: Client } = {}
  await tell('maya signs in and lets support-bot read tickets and invoices, for Acme, today', async () => {
    const { client, scope, seconds, asked } = await connect(supportBot.key, billing, redirect, decide)
    closers.push(() => client.close())
    consented.client = client
    const [grant] = (await api.grants.list({ ...NORTHWIND, agent: 'support-bot', status: 'live' })).items
    const on = grant?.resources.join(', ') ?? ''
    const offered = asked.length > 0 ? `She was asked for ${asked.join(' and ')}. ` : ''
    return {
      status: 'answered',
      text: `${offered}It has a token of ${seconds} s for ${scope}, on ${on}, and may come back until ${grant?.expiresAt}.`,
    }
  })
  const forMaya = consented.client
  if (!forMaya) throw new Error('nobody consented')
  await tell('for maya: list_tickets { customer: "acme" }', () => callForHer(forMaya, TICKETS))
  await tell('for maya: list_invoices { customer: "acme" }', () => callForHer(forMaya, ACME))
  await tell('for maya: list_invoices { customer: "globex" }, which she did not tick', () =>
    callForHer(forMaya, GLOBEX),
  )
  return { forMaya, role }
}

/** What she did not let it do, the client would have to ask her for. */
async function callForHer(client: Client, call: ToolCall) {
  try {
    return await callAsBeat(client, call)
  } catch (fault) {
    if (!(fault instanceof UnauthorizedError)) throw fault
    return { status: 'refused' as const, text: 'insufficient_scope: it would have to ask maya for more.' }
  }
}

const NORTHWIND = { organization: 'northwind' }

/** Where the browser comes back to, and what was asked on the page, as far as we saw it. */
type Decide = (request: URL) => Promise<{ asked: string[]; back: URL }>

function scripted(api: ApiClient<AdminApi>): Decide {
  return async request => (await invite(api, { ...NORTHWIND, email: MAYA })).allow(request, TODAY)
}

function inBrowser(api: ApiClient<AdminApi>, port: number, askSomebody: AskSomebody): Decide {
  return async request => {
    const { email, password } = await invite(api, { ...NORTHWIND, email: MAYA })
    const back = await new Promise<URL>((resolve, reject) => {
      const server = createServer((incoming, response) => {
        const url = new URL(incoming.url ?? '/', `http://127.0.0.1:${port}`)
        if (url.pathname !== '/callback') return void response.writeHead(404).end()
        response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
        response.end('Answered. The story goes on in the terminal.\n')
        server.close()
        resolve(url)
      })
      server.once('error', reject).listen(port, '127.0.0.1', () => {
        askSomebody({ url: request, email, password })
      })
    })
    return { asked: [], back }
  }
}

/** As any program on the official SDK: it is told to ask, waits for the answer, and trades the code for a token. */
async function connect(
  { clientId, privateKey, issuer }: KeptKey,
  url: string,
  redirect: string,
  decide: Decide,
) {
  const kept: {
    request?: URL
    tokens?: { scope?: string; expires_in?: number }
    verifier?: string
    discovery?: object
  } = {}
  const authProvider = {
    redirectUrl: redirect,
    clientMetadata: { client_name: 'support-bot', redirect_uris: [redirect], scope: 'offline_access' },
    state: () => 'demo',
    clientInformation: () => ({ client_id: clientId }),
    tokens: () => kept.tokens as never,
    saveTokens: (tokens: object) => void Object.assign(kept, { tokens }),
    redirectToAuthorization: (request: URL) => void Object.assign(kept, { request }),
    discoveryState: () => kept.discovery as never,
    saveDiscoveryState: (discovery: object) => void Object.assign(kept, { discovery }),
    saveCodeVerifier: (verifier: string) => void Object.assign(kept, { verifier }),
    codeVerifier: () => kept.verifier ?? '',
    addClientAuthentication: createPrivateKeyJwtAuth({
      ...{ issuer: clientId, subject: clientId, privateKey: { ...privateKey }, alg: 'ES256' },
      audience: issuer,
    }),
  }
  const open = () => new StreamableHTTPClientTransport(new URL(url), { authProvider })
  const name = { name: 'support-bot', version: '1.0.0' }
  const waiting = open()
  await new Client(name).connect(waiting).catch(fault => {
    if (!kept.request) throw fault
  })
  const { asked, back } = await decide(kept.request as URL)
  await waiting.finishAuth(back.searchParams)
  const client = new Client(name)
  await client.connect(open())
  const { scope = '', expires_in: seconds = 0 } = kept.tokens ?? {}
  return { client, scope, seconds, asked }
}
