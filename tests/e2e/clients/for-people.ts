import * as v2 from '@modelcontextprotocol/client'
import { UnauthorizedError as UnauthorizedV1 } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type Seen, type ToolCall, toSeen } from './visit.ts'

/** What a client of either SDK keeps while a person decides, as the documentation of both asks for it. */
export class Keeper {
  readonly redirectUrl: string
  readonly clientMetadata
  readonly clientMetadataUrl?: string
  url: URL | undefined
  #client: unknown
  #tokens: unknown
  #verifier = ''
  #discovery: unknown
  constructor(redirectUrl: string, more: { scope?: string; document?: string; client?: object } = {}) {
    this.redirectUrl = redirectUrl
    this.clientMetadata = {
      client_name: 'Support Copilot',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...(more.scope !== undefined && { scope: more.scope }),
    }
    if (more.document !== undefined) this.clientMetadataUrl = more.document
    this.#client = more.client
  }
  state = () => 'state-1'
  clientInformation = () => this.#client as never
  saveClientInformation = (client: unknown) => {
    this.#client = client
  }
  tokens = () => this.#tokens as never
  /** What the tokens at hand say of themselves. */
  get held(): { access_token: string; scope?: string; refresh_token?: string } | undefined {
    return this.tokens()
  }
  saveTokens = (tokens: unknown) => {
    this.#tokens = tokens
  }
  /** What the authority no longer takes is dropped. */
  invalidateCredentials = (what: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery') => {
    if (what === 'all' || what === 'client') this.#client = undefined
    if (what === 'all' || what === 'tokens') this.#tokens = undefined
  }
  redirectToAuthorization = (url: URL) => {
    this.url = url
  }
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier
  }
  codeVerifier = () => this.#verifier
  discoveryState = () => this.#discovery as never
  saveDiscoveryState = (state: unknown) => {
    this.#discovery = state
  }
}

/** A client that a person uses. Wherever it sends the person to a page, the person decides, and it goes on. */
export interface PeopleClient {
  call(call: ToolCall): Promise<Seen>
  close(): Promise<void>
}

/** Answers the page at an address, and gives the address that the browser left to. */
export type Decide = (url: URL) => Promise<URL>

/** How a client comes to be known: by the address of a document, by an id that it was given, or else it registers itself. */
export interface Introduction {
  redirect: string
  document?: string
  clientId?: string
}

interface Attempt {
  connect(): Promise<unknown>
  callTool(call: ToolCall): Promise<unknown>
  finish(back: URL): Promise<void>
  isUnauthorized(fault: unknown): boolean
  close(): Promise<void>
}

export type SdkVersion = 'v1' | 'v2'

export async function connectForPeople(
  version: SdkVersion,
  options: { url: string; keeper: Keeper; decide: Decide },
): Promise<PeopleClient> {
  const { url, keeper, decide } = options
  const begin = version === 'v1' ? () => attemptV1(url, keeper) : () => attemptV2(url, keeper)
  let current = begin()
  /** A page at most twice: for the connection, and for what a call needs more. */
  async function run<T>(work: (attempt: Attempt) => Promise<T>, pages = 2): Promise<T> {
    try {
      return await work(current)
    } catch (fault) {
      if (!current.isUnauthorized(fault) || pages === 0 || !keeper.url) throw fault
      await current.finish(await decide(keeper.url))
      await current.close().catch(() => undefined)
      current = begin()
      return run(async attempt => {
        if (work !== connect) await attempt.connect()
        return work(attempt)
      }, pages - 1)
    }
  }
  const connect = (attempt: Attempt) => attempt.connect()
  await run(connect)
  return {
    call: async call => toSeen(await run(attempt => attempt.callTool(call))),
    close: () => current.close(),
  }
}

function attemptV1(url: string, keeper: Keeper): Attempt {
  const transport = new TransportV1(new URL(url), { authProvider: keeper })
  const client = new ClientV1({ name: 'copilot', version: '1.0.0' })
  return {
    connect: () => client.connect(transport as Transport),
    callTool: call => client.callTool(call),
    finish: back => transport.finishAuth(back.searchParams.get('code') ?? ''),
    isUnauthorized: fault => fault instanceof UnauthorizedV1,
    close: () => client.close(),
  }
}

function attemptV2(url: string, keeper: Keeper): Attempt {
  const transport = new v2.StreamableHTTPClientTransport(new URL(url), { authProvider: keeper })
  const client = new v2.Client({ name: 'copilot', version: '2.0.0' })
  return {
    connect: () => client.connect(transport),
    callTool: call => client.callTool(call),
    finish: back => transport.finishAuth(back.searchParams),
    isUnauthorized: fault => fault instanceof v2.UnauthorizedError,
    close: () => client.close(),
  }
}
