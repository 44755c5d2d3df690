import type { ProviderRow } from '../../directory/index.ts'
import { OutboundFault, type OutboundReason } from '../../outbound/index.ts'
import { messagePage } from '../pages/account.ts'
import { wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import type { Ask } from '../sign-in/parts.ts'
import { recall } from './pending.ts'
import { FederationError } from './said.ts'
import type { FederationSite } from './site.ts'

const OF_LIBRARY =
  /^(AuthorizationResponseError|ResponseBodyError|ClientError|OperationProcessingError|UnsupportedOperationError|WWWAuthenticateChallengeError)$/
const MOST_CHARACTERS = 300
/** What it means that a provider could not be asked. */
const NOT_FETCHED: Record<OutboundReason, string> = {
  address: 'provider_inside',
  host_unknown: 'provider_unreachable',
  redirect: 'provider_redirects',
  timeout: 'provider_slow',
  too_large: 'provider_answer_too_large',
  unreachable: 'provider_unreachable',
}

/** Says that it went wrong: to the person what to do and where to begin again, to the record why. A fault of ours goes on. */
export async function refuse(
  site: FederationSite,
  c: Ask,
  provider: ProviderRow,
  fault: unknown,
  next?: string,
): Promise<Response> {
  const reason = reasonOf(fault)
  if (reason === undefined) throw fault
  const reference = site.newReference()
  const detail = {
    ...{ reason, cause: causeOf(fault), provider: provider.id, reference },
    address: site.addressOf(c.env.incoming),
  }
  await site.note(provider.organizationId, 'person.sign_in_refused', provider.id, detail)
  const words = wordsFor(c.req.header('accept-language'))
  const { title, faults, again } = words.federation
  const text = (faults as Record<string, string>)[reason] ?? faults.other
  const back = next ?? recall(site, c, provider, c.req.query('state') ?? '')?.next ?? `${site.base}/sign-in`
  const onward = { href: back, text: again }
  return toResponse(messagePage({ words, title, text, status: 403, reference, onward }))
}

/** Too many tries that came to nothing, from one network. */
export function refuseForNow(c: Ask): Response {
  const words = wordsFor(c.req.header('accept-language'))
  const [{ title }, { tooMany: text }] = [words.federation, words.signIn]
  return toResponse(messagePage({ words, title, text, status: 429 }))
}

/** There is no such provider, or none that speaks so. */
export function gone(c: Ask): Response {
  const words = wordsFor(c.req.header('accept-language'))
  const { title, faults } = words.federation
  return toResponse(messagePage({ words, title, text: faults.provider_gone, status: 404 }))
}

/** Why the provider, its library or the admission refused; undefined for what is broken here. */
function reasonOf(fault: unknown): string | undefined {
  if (fault instanceof FederationError) return fault.reason
  if (!(fault instanceof Error)) return undefined
  if (fault.cause instanceof FederationError) return fault.cause.reason
  for (const one of [fault, fault.cause]) if (one instanceof OutboundFault) return NOT_FETCHED[one.reason]
  if (!OF_LIBRARY.test(fault.name)) return undefined
  return (fault as { error?: unknown }).error === 'access_denied' ? 'denied_there' : 'provider_refused'
}

/** What the library said, for whoever sets a provider up: its sentences, never what was sent. */
function causeOf(fault: unknown): string | null {
  const said: string[] = []
  for (let one = fault; one instanceof Error && said.length < 5; one = one.cause) {
    // A parser quotes what it could not read.
    if (one instanceof FederationError || one instanceof SyntaxError) continue
    const { error } = one as { error?: unknown }
    said.push(typeof error === 'string' ? `${one.message} (${error})` : one.message)
  }
  const text = said.join(': ').replace(/[^\x20-\x7e]+/g, ' ')
  return text === '' ? null : text.slice(0, MOST_CHARACTERS)
}
