import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWK } from 'jose'
import type { Store } from '../store/index.ts'
import { createAuthorize } from './authorization/authorize.ts'
import { createPush } from './authorization/pushed-request.ts'
import { type AuthorizationRequests, createAuthorizationRequests } from './authorization/requests.ts'
import { createAllowance } from './client/allowance.ts'
import { createRegister } from './client/register.ts'
import { createDelegationDoor } from './delegation/endpoint.ts'
import { createForwardExchange } from './grant/forward.ts'
import { createWorkloadDoor } from './issuer/workload.ts'
import { readPublicKeys, removeEndedKeys } from './keys/signing-key.ts'
import type { Log } from './log.ts'
import { oauthMetadata, openidMetadata } from './metadata.ts'
import { removeExpired } from './oauth-state.ts'
import { type AuthorizationServerOptions, openParts, type Parts } from './parts.ts'
import { createProvider } from './provider.ts'
import { createRoutes, type Document } from './routes.ts'
import { createServerIntrospection } from './token/introspection.ts'
import { createWaitingDoor } from './waiting/asking.ts'
import { createWaitingRequests, type WaitingRequests } from './waiting/waiting-requests.ts'

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

const SWEEP_INTERVAL_MS = 60_000
/** Authorization requests from one address: each that nobody answers is kept for fifteen minutes. */
const MOST_REQUESTS_A_MINUTE = 120

/** Starts the authorization server: agents prove themselves by key or secret and get short-lived tokens for one server. */
export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const parts = await openParts(options)
  const { store, issuer, paths, people, journal, addressOf, log, now, findTargetNow } = parts
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
    documents: documentsOf(parts),
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

function documentsOf({
  store,
  issuer,
  tokenAlgorithm,
  people,
}: Parts): Parameters<typeof createRoutes>[0]['documents'] {
  return {
    oauth: constant(oauthMetadata(issuer, people)),
    openid: constant(openidMetadata(issuer, tokenAlgorithm, people)),
    jwks: async () => JSON.stringify(await readPublicKeys(store)),
  }
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
