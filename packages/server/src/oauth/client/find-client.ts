import type { IncomingMessage } from 'node:http'
import { isId } from '@valetkey/sdk/core'
import type { JWK } from 'jose'
import { type KoaContext, type OidcClient, Provider } from 'oidc-provider'
import type { FailureLimit } from '../failure-limit.ts'
import { type Workload, workloadOf } from '../issuer/workload-request.ts'
import type { Journal } from '../journal.ts'
import type { ReceiverClient } from '../receiver/receiver.ts'
import { DEVICE_CODE } from '../token/token-types.ts'
import { available, tooManyFailures } from '../trouble.ts'
import { attemptOf, methodOf } from './attempt.ts'
import type { Caller, CallerCredential } from './caller.ts'
import { type ClientDocument, isDocumentId } from './document.ts'
import { hasExpired } from './keys.ts'
import type { createClients } from './objects.ts'
import type { Registration } from './registration.ts'
import type { FindRegistration } from './registrations.ts'

export interface ClientFinderOptions {
  findCaller: (clientId: string) => Promise<Caller | undefined>
  findReceiver: (clientId: string) => Promise<ReceiverClient | undefined>
  /** The agent of a client whose id names a document: in the organization that the request is about. */
  findDocumentCaller: (clientId: string, params: Record<string, unknown>) => Promise<Caller | undefined>
  /** Where a client may return to, and how it has to ask. */
  findRegistration: FindRegistration
  keysOf: (document: ClientDocument) => Promise<readonly JWK[]>
  journal: Journal
  limit: FailureLimit
  addressOf: (request: IncomingMessage) => string
  now: () => number
}

/** What finding takes: what is read, the clients that there may be, and who is told where nothing else has to be proven. */
interface Finding extends ClientFinderOptions {
  clients: ReturnType<typeof createClients>
  noteProof(ctx: KoaContext, credential: CallerCredential): void
}

type Found = Promise<OidcClient | undefined>

/** Where nobody proves anything: the browser of a person carries the request of a client. */
const AT_THE_BROWSER = new Set(['authorization', 'resume'])
/** Where a request for authorization is taken. */
const ASKING = new Set([...AT_THE_BROWSER, 'pushed_authorization_request'])

/** Where tokens are given, and given back. */
const TOKEN_ROUTES = new Set(['token', 'revocation'])

/**
 * Finds the client that a request says it comes from, in the way in which that one may prove itself; undefined where there is
 * none, or it may not ask for this.
 */
export function createClientFinder(finding: Finding): (id: unknown) => Found {
  const { limit, addressOf } = finding
  return async id => {
    const { ctx } = Provider
    // RFC 6749 appendix A.1: client ids are visible ASCII.
    if (!ctx || typeof id !== 'string' || !/^[\x20-\x7e]{1,500}$/.test(id)) return undefined
    attemptOf(ctx).client = id
    const workload = workloadOf(ctx.req)
    if (workload) return findWorkload(finding, ctx, workload)
    if (!AT_THE_BROWSER.has(ctx.oidc.route)) refuseIfWaiting(ctx, limit.waitSeconds(id, addressOf(ctx.req)))
    return isId(id, 'signalReceiver') ? findReceiver(finding, ctx, id) : findAgentClient(finding, ctx, id)
  }
}

/** A workload was proven at the door; whether its agent may act, and the rule still stands, is read anew. */
async function findWorkload(
  { findCaller, clients, noteProof, now }: Finding,
  ctx: KoaContext,
  { agent, credential }: Workload,
): Found {
  const attempt = attemptOf(ctx)
  const caller = await available(findCaller(agent))
  if (caller) attempt.caller = caller
  attempt.refusal = caller ? caller.barred : 'client_unknown'
  const own = caller?.credentials.find(({ id, kind }) => id === credential && kind === 'workload')
  if (attempt.refusal !== undefined || !own || hasExpired(own, now())) return undefined
  noteProof(ctx, own)
  return clients(agent, 'none')
}

/** A receiver proves itself by its secret, and there is nothing that it could ask for but tokens. */
async function findReceiver({ findReceiver: find, clients }: Finding, ctx: KoaContext, id: string): Found {
  const attempt = attemptOf(ctx)
  const receiver = await available(find(id))
  if (receiver) attempt.receiver = receiver
  if (!receiver) attempt.refusal = 'client_unknown'
  else if (!TOKEN_ROUTES.has(ctx.oidc.route) || methodOf(ctx) !== 'secret') attempt.refusal = 'client_method'
  else return clients(id, 'receiver')
  return undefined
}

/** A client proves itself in the way that its document says at this moment, and in no other. */
async function findByDocument(
  finding: Finding,
  ctx: KoaContext,
  document: ClientDocument,
  asking: Registration | undefined,
): Found {
  const { clients, keysOf, noteProof, now } = finding
  const attempt = attemptOf(ctx)
  const wanted = document.proof ? 'key' : 'none'
  const own = attempt.caller?.credentials.find(({ kind }) => kind === 'document')
  if (methodOf(ctx) !== wanted) attempt.refusal = 'client_method'
  else if (attempt.caller && (!own || hasExpired(own, now()))) attempt.refusal = 'credential_expired'
  else {
    attempt.documentKeys = await keysOf(document)
    if (wanted === 'none' && own) noteProof(ctx, own)
    return clients(attempt.client ?? '', wanted, asking)
  }
  return undefined
}

/** The client of an agent, or of somebody whom no agent has been made for yet. */
async function findAgentClient(finding: Finding, ctx: KoaContext, id: string): Found {
  const { findRegistration, findDocumentCaller, findCaller, clients, noteProof, now } = finding
  const attempt = attemptOf(ctx)
  const { route } = ctx.oidc
  const isDocument = isDocumentId(id)
  const refused = (reason: string) => {
    attempt.refusal = reason
  }
  const mayAsk = ASKING.has(route) || route === 'device_authorization' || isWaiting(ctx)
  const registration = mayAsk || isDocument ? await available(findRegistration(id, refused)) : undefined
  if (AT_THE_BROWSER.has(route)) return registration && clients(id, 'none', registration)
  if (isDocument && !registration) return undefined
  const caller = await available(isDocument ? findDocumentCaller(id, ctx.oidc.params) : findCaller(id))
  if (caller) attempt.caller = caller
  attempt.refusal = caller ? caller.barred : 'client_unknown'
  if (ASKING.has(route) && !registration) attempt.refusal = 'redirect_missing'
  // Before anybody has taken a client on it can ask all the same: by pushing, through a browser, or by a code to type.
  const mayBeNobody = registration !== undefined && !caller
  if (attempt.refusal !== undefined && !mayBeNobody) return undefined
  const asking = ASKING.has(route) ? registration : undefined
  if (registration?.document) return findByDocument(finding, ctx, registration.document, asking)
  const method = methodOf(ctx)
  const open = caller?.credentials.find(({ kind }) => kind === 'public')
  if (method !== 'none' || (caller && !open)) return clients(id, method === 'key' ? 'key' : 'secret', asking)
  if (open && hasExpired(open, now())) return undefined
  // It has nothing to prove itself by: the code with its verifier, or the refresh token, has to do.
  if (open) noteProof(ctx, open)
  return clients(id, 'none', asking)
}

/** Whether a client comes again to hear of a code that it shows somebody. */
function isWaiting({ oidc }: KoaContext): boolean {
  return oidc.route === 'token' && oidc.params['grant_type'] === DEVICE_CODE
}

function refuseIfWaiting(ctx: KoaContext, waitSeconds: number): void {
  if (waitSeconds === 0) return
  ctx.set('retry-after', String(waitSeconds))
  throw tooManyFailures()
}
