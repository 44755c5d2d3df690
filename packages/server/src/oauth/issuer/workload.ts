import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeJwt, type JWTPayload } from 'jose'
import type { Store } from '../../store/index.ts'
import { readForm, withForm } from '../body.ts'
import type { Journal } from '../journal.ts'
import type { RefusalOptions } from '../refusals.ts'
import { JWT_BEARER } from '../token/token-types.ts'
import { isAboutPerson, onceOf, readAssertion } from './assertion.ts'
import { matchesRule } from './claim-rules.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { findIssuers, type Issuer, rulesOf } from './issuers.ts'
import { nameWorkload, type Workload } from './workload-request.ts'

export interface IssuerOptions extends RefusalOptions {
  store: Store
  issuer: string
  tokenEndpoint: string
  keysOfIssuer: IssuerKeys
  journal: Journal
  now: () => number
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>
type Found = { ok: true; workload: Workload } | { ok: false; reason: string }

/** As Kubernetes, CI systems and SPIFFE write them. Types of other tokens are none of these. */
const TYPES = [undefined, 'JWT', 'JOSE']
/** Clusters and CI systems give out tokens for hours. */
const LONGEST_SECONDS = 24 * 3600
/** Shorter bodies hold no assertion. */
const LEAST_BYTES = 256

/**
 * The door before the token endpoint: a program that brings nothing but the word of an issuer (jwt-bearer without a client,
 * RFC 7523 §2.1) comes in as the agent that a rule of that issuer's says it is. All others pass as they are.
 */
export function createWorkloadDoor(options: IssuerOptions, protocol: Handler): Handler {
  const { limit, addressOf } = options
  return async (request, response) => {
    const { 'content-length': length, authorization } = request.headers
    const isShort = Number(length ?? LEAST_BYTES) < LEAST_BYTES
    request.url = '/token'
    if (authorization !== undefined || isShort) return protocol(request, response)
    const form = await readForm(request)
    if (!form) {
      response.setHeader('connection', 'close')
      return refuse(response, 413, 'invalid_request', 'the body is too large')
    }
    if (!isWorkload(form)) return protocol(withForm(request, '/token', form), response)
    const address = addressOf(request)
    const wait = limit.waitSeconds(JWT_BEARER, address)
    if (wait > 0) {
      response.setHeader('retry-after', String(wait))
      return refuse(response, 429, 'temporarily_unavailable', 'too many failed attempts')
    }
    const found = await findWorkload(options, form)
    if (!found.ok) {
      note(options, form, found.reason, address)
      return refuse(response, 400, 'invalid_grant', 'the assertion is not acceptable')
    }
    form.set('client_id', found.workload.agent)
    const named = withForm(request, '/token', form)
    nameWorkload(named, found.workload)
    await protocol(named, response)
  }
}

function isWorkload(form: URLSearchParams): boolean {
  const isAlone = !form.has('client_assertion') && !form.has('client_secret')
  return isAlone && form.get('grant_type') === JWT_BEARER && !isAboutPerson(form.get('assertion') ?? '')
}

/** The one agent that rules say this is, in all organizations that trust the issuer; whoever could be two is none. */
async function findWorkload(options: IssuerOptions, form: URLSearchParams): Promise<Found> {
  const [assertion = '', ...more] = form.getAll('assertion')
  const [wanted, ...others] = form.getAll('client_id')
  if (more.length + others.length > 0) return { ok: false, reason: 'assertion_repeated' }
  const known: { issuer: Issuer; claims: JWTPayload; workload: Workload }[] = []
  let reason = 'issuer_unknown'
  for (const issuer of await issuersOf(options, assertion)) {
    const said = await readAssertion(assertion, {
      ...{ ...options, issuer, types: TYPES, longestSeconds: LONGEST_SECONDS },
      audiences: [options.issuer, options.tokenEndpoint],
    })
    if (!said.ok) {
      reason = said.reason
      continue
    }
    const { claims } = said
    const rules = (await rulesOf(options.store, issuer)).filter(rule => matchesRule(rule.claims, claims))
    const meant = rules.filter(({ agent }) => wanted === undefined || agent === wanted)
    for (const workload of meant) known.push({ issuer, claims, workload })
    if (meant.length === 0) reason = rules.length === 0 ? 'rule_none' : 'rule_other'
  }
  const [first] = known
  if (!first) return { ok: false, reason }
  if (known.some(({ workload }) => workload.agent !== first.workload.agent))
    return { ok: false, reason: 'rule_several' }
  const { id, expiresAt } = onceOf(assertion, first.claims)
  const isFresh = first.issuer.reusable || (await options.journal.useOnce(id, expiresAt))
  return isFresh ? { ok: true, workload: first.workload } : { ok: false, reason: 'assertion_replayed' }
}

/** Whoever may have said it: by its `iss`, or by the trust domain of its subject (SPIFFE). Our own word is none of these. */
async function issuersOf({ store, issuer: own }: IssuerOptions, assertion: string): Promise<Issuer[]> {
  let claims: JWTPayload
  try {
    claims = decodeJwt(assertion)
  } catch {
    return []
  }
  const domain = /^spiffe:\/\/[a-z0-9._-]+(?=\/)/.exec(String(claims.sub))?.[0]
  const named = String(claims.iss)
  // A trust domain speaks for those who are in it, whatever `iss` says.
  const isOther = named !== own && !named.startsWith('spiffe:')
  const names = [...(isOther ? [named] : []), ...(domain === undefined ? [] : [domain])]
  const found = await Promise.all(names.map(name => findIssuers(store, name, 'workload')))
  return found.flat()
}

function note(
  { limit, refused }: IssuerOptions,
  form: URLSearchParams,
  reason: string,
  address: string,
): void {
  limit.failed(JWT_BEARER, address)
  const nobody = { organization: undefined, agent: undefined, credential: undefined }
  const about = {
    client: form.get('client_id') ?? undefined,
    audience: form.get('resource') ?? undefined,
    scope: form.get('scope') ?? undefined,
  }
  refused({ ...nobody, ...about, error: 'invalid_grant', reason, address })
}

function refuse(response: ServerResponse, status: number, error: string, description: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify({ error, error_description: description }))
}
