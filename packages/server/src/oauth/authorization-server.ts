import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '@valetkey/sdk/core'
import type { JWK } from 'jose'
import type { Store } from '../store/index.ts'
import { createAuthorize } from './authorization/authorize.ts'
import type { PeopleOptions } from './authorization/endpoint.ts'
import { createPush } from './authorization/pushed-request.ts'
import { type AuthorizationRequests, createAuthorizationRequests, grantOf } from './authorization/requests.ts'
import { createAllowance } from './client/allowance.ts'
import type { ClientAuthenticationOptions } from './client/authentication.ts'
import { type Caller, createCallerLookup } from './client/caller.ts'
import { createDocumentCallerLookup } from './client/document-caller.ts'
import { type ClientDocumentOptions, createClientDocuments } from './client/documents.ts'
import { createOutboundFetch } from './client/outbound-fetch.ts'
import { createRegister } from './client/register.ts'
import { createFindRegistration } from './client/registrations.ts'
import { createChainLookup } from './delegation/chain.ts'
import { createDelegationDoor } from './delegation/endpoint.ts'
import { createFailureLimit } from './failure-limit.ts'
import { createGrantLookup, type GrantLookup } from './grant/acting-grant.ts'
import { createForwardExchange } from './grant/forward.ts'
import type { RefreshKey } from './grant/refresh-family.ts'
import { createIssuerKeys, MOST_KEY_BYTES } from './issuer/issuer-keys.ts'
import { createWorkloadDoor } from './issuer/workload.ts'
import { createJournal } from './journal.ts'
import { openKeptSecret } from './keys/kept-secret.ts'
import {
  ensureSigningKeys,
  readPublicKeys,
  removeEndedKeys,
  type TokenAlgorithm,
} from './keys/signing-key.ts'
import type { Log } from './log.ts'
import { endpointPaths, type ForPeople, oauthMetadata, openidMetadata } from './metadata.ts'
import { createOauthState, removeExpired } from './oauth-state.ts'
import { createProvider } from './provider.ts'
import { findReceiver } from './receiver/receiver.ts'
import { createRefusals, type Refusal } from './refusals.ts'
import { createRoutes, type Document } from './routes.ts'
import { createTokenWriter, type IssuedClaims } from './token/access-token.ts'
import { createServerIntrospection } from './token/introspection.ts'
import { createNonces, type ProvenKey } from './token/proof-of-possession.ts'
import { createTargetLookup, readCatalogueRevision } from './token/target.ts'
import { createWaitingDoor, type WaitingOptions } from './waiting/asking.ts'
import { createWaitingRequests, type WaitingRequests } from './waiting/waiting-requests.ts'

/** What became of a token request whose client proved itself, or failed to. */
export type TokenOutcome = { grant: string } | { error: string }

export interface AuthorizationServerOptions {
  store: Store
  /** The public URL of this environment, without a slash at its end; `iss` of every token. */
  issuer: string
  tokenAlgorithm?: TokenAlgorithm
  log: Log
  now?: () => number
  /** Where a request comes from; for servers behind a proxy that they trust. */
  addressOf?: (request: IncomingMessage) => string
  /** Lets people authorize agents; undefined is an authority for agents that act for themselves. */
  people?:
    | {
        dynamicRegistration: boolean
        /** Takes requests of clients that show a code, which somebody types elsewhere (RFC 8628); no, where it is left out. */
        deviceGrant?: boolean
        /** Takes requests of agents for a person who is not there (CIBA, poll mode); no, where it is left out. */
        ciba?: boolean
        /** Tells a person that an agent has asked. */
        tellAsked?: WaitingOptions['tellAsked']
        /** Takes clients whose id is the address of a document about them; undefined takes none. */
        clientDocuments?: ClientDocumentOptions | undefined
        problemPage: PeopleOptions['problemPage']
      }
    | undefined
  /** Hosts, with their port, of trusted issuers whose keys may lie on this machine or in this network. */
  issuerPrivateHosts?: readonly string[]
  /** All addresses of a host name, for tests that need names of their own. */
  resolveHost?: (host: string) => Promise<string[]>
  /** How many delegations a chain may have; four, where it is left out. */
  delegationDepth?: number
  /** Told of every token that was issued or refused, for counting. */
  onToken?: (outcome: TokenOutcome) => void
}

export interface AuthorizationServer {
  /** Whether a path is one of ours; all others belong to someone else on the same port. */
  serves(path: string): boolean
  handler(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** The public keys that tokens are verified with. */
  jwks(): Promise<{ keys: JWK[] }>
  /** What agents ask of people; there is nothing in it where no people sign in. */
  requests: AuthorizationRequests
  /** The same of clients that wait while a person answers somewhere else. */
  waiting: WaitingRequests
  close(): Promise<void>
}

const DEFAULT_DEPTH = 4
const SWEEP_INTERVAL_MS = 60_000
/** Authorization requests from one address: each that nobody answers is kept for fifteen minutes. */
const MOST_REQUESTS_A_MINUTE = 120

/** Starts the authorization server: agents prove themselves by key or secret and get short-lived tokens for one server. */
export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { store, issuer, tokenAlgorithm = 'ES256', log, now = Date.now } = options
  const { addressOf = request => request.socket.remoteAddress ?? '' } = options
  const { onToken = () => undefined } = options
  requireIssuer(issuer)
  const paths = endpointPaths(issuer)
  const findCaller = createCallerLookup(store)
  const findTarget = createTargetLookup(store)
  const findGrant = createGrantLookup(store, now)
  const findTargetNow = async (resource: string) => findTarget(resource, await readCatalogueRevision(store))
  const people = options.people && {
    ...{ deviceGrant: false, ciba: false, tellAsked: async () => undefined },
    ...options.people,
    ...(await openPeople(store, paths.base)),
    findTargetNow,
  }
  await ensureSigningKeys(store, tokenAlgorithm, now())
  const journal = createJournal({ store, now, log })
  const writeToken = createTokenWriter(store, now)
  const recordRefusal = createRefusals({ journal, now, log })
  const issuerFetch = createOutboundFetch({
    ...{ privateHosts: options.issuerPrivateHosts ?? [], resolve: options.resolveHost },
    maxBytes: MOST_KEY_BYTES,
  })
  const parts = {
    store,
    issuer,
    tokenEndpoint: `${issuer}/token`,
    findCaller,
    findReceiver: (id: string) => findReceiver(store, id),
    findTarget,
    people,
    ...(await findersOf(options, { findCaller, findGrant, refreshKey: people?.refreshKey ?? '' })),
    keysOfIssuer: createIssuerKeys({ fetch: issuerFetch, now }),
    findGrant,
    findChain: createChainLookup(store, now),
    maxDepth: options.delegationDepth ?? DEFAULT_DEPTH,
    writeToken(claims: IssuedClaims, key: ProvenKey, revision: string) {
      onToken({
        grant: claims.fwd
          ? 'forward'
          : claims.dlg
            ? 'delegation'
            : claims.gid === undefined
              ? 'client_credentials'
              : 'person',
      })
      return writeToken(claims, key, revision)
    },
    nonces: createNonces(await openKeptSecret(store, 'nonces'), now),
    limit: createFailureLimit(now),
    refused(refusal: Refusal) {
      onToken({ error: refusal.error })
      recordRefusal(refusal)
    },
    journal,
    addressOf,
    log,
    now,
  }
  const provider = createProvider(parts)
  const protocol = provider.callback()
  const isSecure = issuer.startsWith('https:')
  const allows = createAllowance({ most: MOST_REQUESTS_A_MINUTE, windowMs: 60_000, now })
  const mayBegin = (request: IncomingMessage) => allows(addressOf(request))
  const door = { protocol, findTarget: findTargetNow, mayBegin }
  const routes = createRoutes({
    paths,
    protocol,
    token: createWorkloadDoor(parts, protocol),
    forward: createForwardExchange(parts),
    authorize:
      people &&
      createAuthorize({
        ...{ base: paths.base, isSecure, ...door },
        tooMany: () => people.problemPage({ error: 'too_many_requests', description: '' }),
      }),
    push: people && createPush({ ...parts, ...door }),
    device: people?.deviceGrant ? createWaitingDoor(door, '/device_authorization') : undefined,
    backchannel: people?.ciba ? createWaitingDoor(door, '/bc-authorize') : undefined,
    register: people?.dynamicRegistration ? createRegister({ store, now, addressOf }) : undefined,
    introspect: createServerIntrospection(parts),
    delegate: createDelegationDoor(protocol),
    documents: documentsOf({ store, issuer, tokenAlgorithm, people }),
    log,
  })
  const stopSweeping = startSweeping(store, log, now)
  return {
    ...routes,
    jwks: () => readPublicKeys(store),
    requests: createAuthorizationRequests({ ...parts, provider, findTarget: findTargetNow }),
    waiting: createWaitingRequests({
      ...parts,
      findTarget: findTargetNow,
      answeredPath: `${paths.base}/answered`,
    }),
    async close() {
      await stopSweeping()
      await journal.close()
    },
  }
}

/** How clients are found: by a registration here, or by the document that their id names. */
async function findersOf(
  { store, people, resolveHost, now = Date.now }: AuthorizationServerOptions,
  by: { findCaller(id: string): Promise<Caller | undefined>; findGrant: GrantLookup; refreshKey: RefreshKey },
): Promise<Pick<ClientAuthenticationOptions, 'findRegistration' | 'findDocumentCaller' | 'keysOf'>> {
  const settings = people?.clientDocuments
  const fetch = settings && createOutboundFetch({ ...settings, resolve: resolveHost })
  const documents = fetch && createClientDocuments({ ...settings, fetch, now })
  const codes = createOauthState(store, now)('AuthorizationCode')
  const grantOfCode = async (code: string) =>
    grantOf((await codes.find(code))?.['grantId'] as string | undefined)
  return {
    findRegistration: createFindRegistration(store, documents, now),
    findDocumentCaller: createDocumentCallerLookup({ store, ...by, grantOfCode }),
    keysOf: async document => documents?.keysOf(document) ?? [],
  }
}

/** Where the pages are, and the secrets that all nodes share for browsers and refresh tokens. */
async function openPeople(
  store: Store,
  base: string,
): Promise<Pick<PeopleOptions, 'pageOf' | 'cookieKey' | 'refreshKey'>> {
  return {
    pageOf: id => `${base}/interaction/${id}`,
    cookieKey: await openKeptSecret(store, 'cookies'),
    refreshKey: await openKeptSecret(store, 'refresh'),
  }
}

function documentsOf(options: {
  store: Store
  issuer: string
  tokenAlgorithm: TokenAlgorithm
  people: ForPeople | undefined
}): Parameters<typeof createRoutes>[0]['documents'] {
  const { store, issuer, tokenAlgorithm, people } = options
  return {
    oauth: constant(oauthMetadata(issuer, people)),
    openid: constant(openidMetadata(issuer, tokenAlgorithm, people)),
    jwks: async () => JSON.stringify(await readPublicKeys(store)),
  }
}

/** One issuer, one spelling: clients compare it byte by byte (RFC 8414 §3.3). */
function requireIssuer(issuer: string): void {
  const url = URL.parse(issuer)
  const spelled = url && url.origin + url.pathname.replace(/\/$/, '')
  if (!url || !/^https?:$/.test(url.protocol) || spelled !== issuer)
    throw new AppError(
      'config.invalid',
      'The issuer must be an http(s) URL in lower case, without query, fragment or slash at its end.',
    )
}

function constant(document: object): Document {
  const text = JSON.stringify(document)
  return async () => text
}

async function sweep(store: Store, now: number): Promise<void> {
  await removeExpired(store, now)
  await removeEndedKeys(store, now)
}

function startSweeping(store: Store, log: Log, now: () => number): () => Promise<void> {
  let sweeping = Promise.resolve()
  const timer = setInterval(() => {
    sweeping = sweep(store, now()).catch((error: unknown) =>
      log.warn({ err: error }, 'could not remove what has expired'),
    )
  }, SWEEP_INTERVAL_MS)
  timer.unref()
  return () => {
    clearInterval(timer)
    return sweeping
  }
}
