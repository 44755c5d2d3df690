import { FederationError } from './said.ts'

const OF_LIBRARY =
  /^(AuthorizationResponseError|ResponseBodyError|ClientError|OperationProcessingError|UnsupportedOperationError|WWWAuthenticateChallengeError)$/
const MOST_CHARACTERS = 300

/** Why the provider, its library or the admission refused; undefined for what is broken here. */
export function reasonOf(fault: unknown): string | undefined {
  if (fault instanceof FederationError) return fault.reason
  if (!(fault instanceof Error)) return undefined
  if (fault.cause instanceof FederationError) return fault.cause.reason
  if (!OF_LIBRARY.test(fault.name)) return undefined
  return (fault as { error?: unknown }).error === 'access_denied' ? 'denied_there' : 'provider_refused'
}

/** What the library said, for whoever sets a provider up: its sentences, never what was sent. */
export function causeOf(fault: unknown): string | null {
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
