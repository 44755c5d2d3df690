import type { IncomingMessage } from 'node:http'
import { AppError } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'
import type { PeopleOptions } from './authorization/endpoint.ts'
import { grantOf } from './authorization/requests.ts'
import type { ClientAuthenticationOptions } from './client/authentication.ts'
import { type Caller, createCallerLookup } from './client/caller.ts'
import { createDocumentCallerLookup } from './client/document-caller.ts'
import { type ClientDocumentOptions, createClientDocuments } from './client/documents.ts'
import { createOutboundFetch } from './client/outbound-fetch.ts'
import { createFindRegistration } from './client/registrations.ts'
import { createChainLookup } from './delegation/chain.ts'
import { createFailureLimit } from './failure-limit.ts'
import { createGrantLookup, type GrantLookup } from './grant/acting-grant.ts'
import type { RefreshKey } from './grant/refresh-family.ts'
import { createIssuerKeys, MOST_KEY_BYTES } from './issuer/issuer-keys.ts'
import { createJournal } from './journal.ts'
import { openKeptSecret } from './keys/kept-secret.ts'
import { ensureSigningKeys, type TokenAlgorithm } from './keys/signing-key.ts'
import type { Log } from './log.ts'
import { endpointPaths } from './metadata.ts'
import { createOauthState } from './oauth-state.ts'
import { findReceiver } from './receiver/receiver.ts'
import { createRefusals, type Refusal } from './refusals.ts'
import { createTokenWriter, type IssuedClaims } from './token/access-token.ts'
import { createNonces, type ProvenKey } from './token/proof-of-possession.ts'
import { createTargetLookup, readCatalogueRevision } from './token/target.ts'
import type { WaitingOptions } from './waiting/asking.ts'

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

const DEFAULT_DEPTH = 4

/** What all endpoints rest on, and share. */
export type Parts = Awaited<ReturnType<typeof openParts>>

/** Opens it: keys and secrets are made where there are none yet. */
export async function openParts(options: AuthorizationServerOptions) {
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
  return {
    ...{ store, issuer, paths, tokenAlgorithm, findTargetNow },
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
      onToken({ grant: kindOf(claims) })
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
}

/** By what a token was asked for, for counting. */
function kindOf({ fwd, dlg, gid }: IssuedClaims): string {
  if (fwd) return 'forward'
  if (dlg) return 'delegation'
  return gid === undefined ? 'client_credentials' : 'person'
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
