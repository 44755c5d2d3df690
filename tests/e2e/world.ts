import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import type { Mode } from '@valetkey/sdk/core'
import {
  createGuard,
  type Guard,
  type GuardOptions,
  type Handler,
  readOffer,
  type ValetKey,
} from '@valetkey/sdk/guard'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type DevAuthority, startDevAuthority } from '../../packages/server/src/cli/run/dev-authority.ts'
import type { SettingName } from '../../packages/server/src/server/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { type Identity, identify } from './identity.ts'
import { BILLING_RULES, mapRules, type Rules, seedNorthwind } from './northwind.ts'

/** An MCP server on a socket with the guard in front, in the directory and mapped. */
export interface GuardedServer extends AsyncDisposable {
  name: string
  /** Where it is reached here. */
  url: string
  /** Its registered public URL: what tokens are for. */
  resource: string
  guard: Guard
}

export interface ServeOptions {
  name: string
  handler: Handler
  rules?: Rules
  mode?: Mode
  /** As the world outside would reach it, through some proxy. */
  publicUrl?: string
  guard?: GuardOptions
  /** How the guard is put behind a socket; `guard.node` unless said otherwise. */
  listener?(guard: Guard, handler: Handler, url: string): RequestListener
}

/** The product on sockets: an authority on SQLite in a folder of its own, Northwind, and the guarded billing server. */
export interface World extends AsyncDisposable {
  readonly url: string
  readonly directory: string
  readonly api: Client<AdminApi>
  readonly billing: GuardedServer
  /** Puts one more guarded server up. */
  serve(options: ServeOptions): Promise<GuardedServer>
  /** Registers a server with its map and makes a key for whatever enforces it. */
  register(options: {
    name: string
    url: string
    send: Parameters<typeof readOffer>[0]['send']
    rules: Rules
    mode?: Mode
  }): Promise<string>
  /** Gives an agent a credential of its own and what it takes to use it. */
  identify(agent: string): Promise<Identity>
  authority: {
    stop(): Promise<void>
    start(): Promise<void>
    /** The database of the running authority. */
    store(): Store
    /** Takes the database away under the running authority. */
    loseDatabase(): Promise<void>
  }
  /** Recorded calls, newest first, asked for until there are `atLeast` so many. */
  calls(query: Parameters<Client<AdminApi>['audit']['calls']>[0], atLeast?: number): Promise<Call[]>
}

export type Call = Awaited<ReturnType<Client<AdminApi>['audit']['calls']>>['items'][number]

/** Starts it all. Takes less than a second; everything is gone after disposal. */
export async function startWorld(settings: Partial<Record<SettingName, unknown>> = {}): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-world-'))
  const port = await findFreePort()
  const start = (): Promise<DevAuthority> =>
    startDevAuthority({ directory: join(directory, 'authority'), port, logLevel: 'error', settings })
  let running = await start()
  const { token } = running
  const { url } = running.authority
  const api = createClient(contract, { baseUrl: url, token: () => token })
  const servers: GuardedServer[] = []
  let isUp = true

  async function stop(): Promise<void> {
    if (isUp) await running.authority.close()
    isUp = false
  }

  async function dispose(): Promise<void> {
    for (const server of servers.reverse()) await server[Symbol.asyncDispose]()
    await stop().catch(() => undefined)
    await rm(directory, { recursive: true, force: true })
  }

  const register: World['register'] = async ({ name, url: serverUrl, send, rules, mode = 'enforce' }) => {
    const offer = await readOffer({ url: serverUrl, send })
    await api.servers.create({ name, url: serverUrl, mode })
    await mapRules(api, name, offer, rules)
    const { key } = await api.serverKeys.create({ server: name, label: 'test' })
    return key ?? ''
  }

  async function serve(options: ServeOptions): Promise<GuardedServer> {
    const { name, handler, rules = {}, mode, listener } = options
    const serverPort = await findFreePort()
    const serverUrl = `http://127.0.0.1:${serverPort}/mcp`
    const send = (request: Request) => handler(request, SCANNER)
    const resource = options.publicUrl ?? serverUrl
    const serverKey = await register({ name, url: resource, send, rules, ...(mode && { mode }) })
    const guard = createGuard({
      url,
      serverKey,
      directory: join(directory, name),
      log: quiet,
      ...options.guard,
    })
    const http = createServer(listener ? listener(guard, handler, serverUrl) : guard.node(handler))
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject).listen(serverPort, '127.0.0.1', resolve)
    })
    const server: GuardedServer = {
      name,
      url: serverUrl,
      resource,
      guard,
      async [Symbol.asyncDispose]() {
        await guard.close()
        http.closeAllConnections()
        await new Promise<void>(resolve => void http.close(() => resolve()))
      },
    }
    servers.push(server)
    await guard.ready()
    return server
  }

  try {
    await seedNorthwind(api)
    const handler = createBillingHandler()
    const billing = await serve({ name: 'billing', handler: handler.fetch, rules: BILLING_RULES })
    return {
      url,
      directory,
      api,
      billing,
      serve,
      register,
      identify: agent => identify(api, url, agent),
      authority: {
        stop,
        async start() {
          running = await start()
          isUp = true
        },
        store: () => running.authority.store,
        loseDatabase: () => running.authority.store.close(),
      },
      async calls(query, atLeast = 1) {
        for (const until = Date.now() + 5_000; ; ) {
          const { items } = await api.audit.calls({ limit: 200, ...query })
          if (items.length >= atLeast || Date.now() > until) return items
          await new Promise(resolve => setTimeout(resolve, 20))
        }
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (fault) {
    await dispose()
    throw fault
  }
}

const quiet = () => undefined

/** Whom a server's lists are read as before there is anybody. */
const NOBODY: ValetKey = {
  organization: '',
  agent: '',
  person: null,
  grant: null,
  filter: async () => ({ all: false, roots: [] }),
}
const SCANNER: Parameters<Handler>[1] = {
  valetkey: NOBODY,
  authInfo: {
    token: '',
    clientId: 'scanner',
    scopes: [],
    expiresAt: 8.64e12,
    resource: new URL('http://scanner.test/'),
    extra: { ...NOBODY, valetkey: NOBODY },
  },
}
