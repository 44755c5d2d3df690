import type { IncomingMessage, ServerResponse } from 'node:http'
import { errors } from 'oidc-provider'
import { readForm, withForm } from '../body.ts'
import { checkProof, type ProofOptions } from '../token/proof-of-possession.ts'
import type { Target } from '../token/target.ts'
import { completeRequest } from './authorize.ts'

/**
 * The door before the endpoint for pushed requests (RFC 9126): what is pushed is completed in the same way as what comes
 * through a browser.
 */
export function createPush(
  options: ProofOptions & {
    protocol: (request: IncomingMessage, response: ServerResponse) => Promise<void>
    findTarget(resource: string): Promise<Target | undefined>
    mayBegin(request: IncomingMessage): boolean
  },
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { protocol, findTarget, mayBegin } = options
  return async (request, response) => {
    if (!mayBegin(request)) return refuseTooMany(response)
    const form = (await readForm(request)) ?? new URLSearchParams()
    const refusal = await bindToKey(options, request, response, form)
    if (refusal) return answerRefusal(response, refusal)
    await completeRequest(form, findTarget)
    await protocol(withForm(request, '/par', form), response)
  }
}

/** RFC 9449 §10.1: the code is bound to the key that a proof beside the request is of, as by `dpop_jkt`. */
async function bindToKey(
  options: ProofOptions,
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  form: URLSearchParams,
): Promise<errors.OIDCProviderError | undefined> {
  const text = headers['dpop']
  if (typeof text !== 'string') return undefined
  try {
    const tellNonce = (nonce: string) => void response.setHeader('dpop-nonce', nonce)
    const jkt = await checkProof(options, { text, method, path: '/par', needsNonce: false, tellNonce })
    if (form.getAll('dpop_jkt').some(named => named !== jkt))
      throw new errors.InvalidRequest('dpop_jkt names another key than the proof')
    form.set('dpop_jkt', jkt)
    return undefined
  } catch (error) {
    if (error instanceof errors.OIDCProviderError) return error
    throw error
  }
}

function answerRefusal(response: ServerResponse, refusal: errors.OIDCProviderError): void {
  const { error, error_description, statusCode } = refusal
  response.writeHead(statusCode, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify({ error, error_description }))
}

/** The answer to a program that begins more than it may. */
export function refuseTooMany(response: ServerResponse): void {
  const body = JSON.stringify({ error: 'temporarily_unavailable', error_description: 'too many requests' })
  response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '60' }).end(body)
}
