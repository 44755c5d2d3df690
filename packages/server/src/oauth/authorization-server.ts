import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '@valetkey/sdk/core'
import type { JWK } from 'jose'
import type { Store } from '../store/index.ts'
import { createTokenWriter } from './access-token.ts'
import { createGrantLookup } from './acting-grant.ts'
import { createCallerLookup } from './caller.ts'
import { createFailureLimit } from './failure-limit.ts'
import { createJournal } from './journal.ts'
import type { Log } from './log.ts'
import { endpointPaths, oauthMetadata, openidMetadata } from './metadata.ts'
import { removeExpired } from './oauth-state.ts'
import { createProvider } from './provider.ts'
import { createRefusals } from './refusals.ts'
import { createRoutes, type Document } from './routes.ts'
import { openSigningKey, readPublicKeys, type TokenAlgorithm } from './signing-key.ts'
import { createTargetLookup } from './target.ts'

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
  /** Told of every token that was issued or refused, for counting. */
  onToken?: (outcome: TokenOutcome) => void
}

export interface AuthorizationServer {
  /** Whether a path is one of ours; all others belong to someone else on the same port. */
  serves(path: string): boolean
  handler(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** The public keys that tokens are verified with. */
  jwks(): Promise<{ keys: JWK[] }>
  close(): Promise<void>
}

const SWEEP_INTERVAL_MS = 60_000

/** Starts the authorization server: agents prove themselves by key or secret and get short-lived tokens for one server. */
export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { store, issuer, tokenAlgorithm = 'ES256', log, now = Date.now } = options
  const { addressOf = request => request.socket.remoteAddress ?? '' } = options
  const { onToken = () => undefined } = options
  requireIssuer(issuer)
  const key = await openSigningKey(store, tokenAlgorithm, now())
  const journal = createJournal({ store, now, log })
  const writeToken = createTokenWriter(key)
  const recordRefusal = createRefusals({ journal, now, log })
  const provider = createProvider({
    store,
    issuer,
    tokenEndpoint: `${issuer}/token`,
    key,
    findCaller: createCallerLookup(store),
    findTarget: createTargetLookup(store),
    findGrant: createGrantLookup(store),
    writeToken(claims) {
      onToken({ grant: 'client_credentials' })
      return writeToken(claims)
    },
    limit: createFailureLimit(now),
    refused(refusal) {
      onToken({ error: refusal.error })
      recordRefusal(refusal)
    },
    journal,
    addressOf,
    log,
    now,
  })
  const routes = createRoutes({
    paths: endpointPaths(issuer),
    protocol: provider.callback(),
    documents: {
      oauth: constant(oauthMetadata(issuer)),
      openid: constant(openidMetadata(issuer, tokenAlgorithm)),
      jwks: async () => JSON.stringify(await readPublicKeys(store)),
    },
    log,
  })
  const stopSweeping = startSweeping(store, log, now)
  return {
    ...routes,
    jwks: () => readPublicKeys(store),
    async close() {
      await stopSweeping()
      await journal.close()
    },
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

function startSweeping(store: Store, log: Log, now: () => number): () => Promise<void> {
  let sweeping = Promise.resolve()
  const timer = setInterval(() => {
    sweeping = removeExpired(store, now()).catch((error: unknown) =>
      log.warn({ err: error }, 'could not remove what has expired'),
    )
  }, SWEEP_INTERVAL_MS)
  timer.unref()
  return () => {
    clearInterval(timer)
    return sweeping
  }
}
