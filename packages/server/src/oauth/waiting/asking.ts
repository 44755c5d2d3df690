import type { IncomingMessage, ServerResponse } from 'node:http'
import { isId } from '@valetkey/sdk/core'
import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { record } from '../../audit/index.ts'
import { foldName } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { completeRequest } from '../authorization/authorize.ts'
import { refuseTooMany } from '../authorization/pushed-request.ts'
import { readForm, withForm } from '../body.ts'
import { provenCaller } from '../client/attempt.ts'
import type { Target } from '../token/target.ts'
import { available } from '../trouble.ts'
import { countAsked, findBySecret, POLL_SECONDS } from './waiting-request.ts'

/** An agent has asked somebody who is not at its screen. */
export interface Asked {
  /** Of the request. */
  id: string
  agent: string
  person: string
  message: string
}

export interface WaitingOptions {
  /** Takes requests by a code that somebody types (RFC 8628). */
  deviceGrant: boolean
  /** Takes requests by the name of a person (CIBA, poll mode). */
  ciba: boolean
  /** Tells the person, by mail where there is one. */
  tellAsked: (asked: Asked) => Promise<void>
}

interface Options {
  store: Store
  now(): number
  addressOf(request: IncomingMessage): string
  people: WaitingOptions
}

/** Requests of one agent that one person may have before them. */
const MOST_WAITING = 5
const OPENID = 'openid'

/** How oidc-provider takes requests that wait: it authenticates the client and checks the form; the rest is ours. */
export function waitingFeatures(options: Options): object {
  const { addressOf, people } = options
  return {
    deviceFlow: {
      enabled: people.deviceGrant,
      charset: 'base-20',
      mask: '****-****',
      deviceInfo: (ctx: KoaContext) => ({ address: addressOf(ctx.req) }),
    },
    ciba: {
      enabled: people.ciba,
      deliveryModes: ['poll'],
      processLoginHint: (ctx: KoaContext, hint: string) => available(findAsked(options, ctx, hint)),
      processLoginHintToken: () => undefined,
      validateRequestContext: () => undefined,
      validateBindingMessage: (_ctx: KoaContext, message: string | undefined) => requireMessage(message),
      verifyUserCode: (_ctx: KoaContext, _account: object, code: string | undefined) => {
        if (code !== undefined) throw new errors.InvalidRequest('people have no user_code here')
      },
      triggerAuthenticationDevice: (ctx: KoaContext) => available(tell(options, ctx)),
    },
  }
}

/** Who is meant: an active person of the agent's own organization, by email address or id, who is not asked too much already. */
async function findAsked(
  { store, now }: Options,
  ctx: KoaContext,
  hint: string,
): Promise<string | undefined> {
  const { caller } = provenCaller(ctx)
  if (caller.agentKind === 'autonomous')
    throw new errors.UnauthorizedClient('this agent acts for itself alone', 'agent_autonomous')
  const row = await store.db
    .selectFrom('principal')
    .select('id')
    .where('organizationId', '=', caller.organization)
    .where('kind', '=', 'user')
    .where('status', '=', 'active')
    .where(isId(hint, 'person') ? 'id' : 'externalId', '=', foldName(hint.trim()))
    .executeTakeFirst()
  if (!row) return undefined
  const waiting = await countAsked(store, { person: row.id, client: caller.clientId, now: now() })
  if (waiting >= MOST_WAITING)
    throw new errors.AccessDenied('this person has not answered the last requests yet', 'too_many_waiting')
  return row.id
}

/** CIBA §7.1: shown on the page and in the mail, so it is one short line of text, and no address to follow. */
function requireMessage(message: string | undefined): void {
  if (message === undefined) return
  if (!/^[^\p{C}\p{Zl}\p{Zp}<>]{1,100}$/u.test(message) || message.includes('://'))
    throw new errors.InvalidBindingMessage('the binding_message must be one line of at most 100 characters')
}

async function tell({ store, now, people, addressOf }: Options, ctx: KoaContext): Promise<void> {
  const { auth_req_id: secret } = ctx.body as { auth_req_id: string }
  const request = await findBySecret(store, secret)
  if (!request?.person) throw new Error('unreachable: a request of a moment ago is not there')
  const { id, person, message, params } = request
  const { caller, credential } = provenCaller(ctx)
  const detail = {
    ...{ request: id, client: caller.clientId, credential: credential.id, message },
    ...{ resource: params['resource'] ?? '', scope: params['scope'] ?? '', address: addressOf(ctx.req) },
  }
  const event = { organization: caller.organization, type: 'person.asked', actor: caller.agent }
  await store.write(tx => record(tx, { ...event, target: person, detail }, now()))
  await people.tellAsked({ id, agent: caller.agent, person, message })
}

const ROUTES = new Set(['device_authorization', 'backchannel_authentication'])

/**
 * Says how often a client may come again. No address that holds the code is handed out: people type it, so that nobody is
 * led by a link to the request of somebody else.
 */
export function addWaitingTerms(provider: Provider): void {
  provider.use(async (ctx, next) => {
    await next()
    if (!ROUTES.has(ctx.oidc.route) || ctx.status !== 200) return
    const { verification_uri_complete: _, ...body } = ctx.body as Record<string, unknown>
    ctx.body = { ...body, interval: POLL_SECONDS }
  })
}

/** The door before both endpoints: what a request leaves to us is filled in as everywhere else. */
export function createWaitingDoor(
  {
    protocol,
    findTarget,
    mayBegin,
  }: {
    protocol: (request: IncomingMessage, response: ServerResponse) => Promise<void>
    findTarget(resource: string): Promise<Target | undefined>
    mayBegin(request: IncomingMessage): boolean
  },
  path: '/device_authorization' | '/bc-authorize',
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    if (!mayBegin(request)) return refuseTooMany(response)
    const form = (await readForm(request)) ?? new URLSearchParams()
    await completeRequest(form, findTarget)
    form.delete('prompt')
    // CIBA §7.1 asks for it; nobody is signed in to an agent here, so that no ID token comes of it.
    const scopes = (form.get('scope') ?? '').split(' ').filter(scope => scope !== '' && scope !== OPENID)
    if (path === '/bc-authorize') scopes.push(OPENID)
    if (form.getAll('scope').length < 2) form.set('scope', scopes.join(' '))
    await protocol(withForm(request, path, form), response)
  }
}
