import { errors } from 'oidc-provider'

/** Waits for our own database; what goes wrong there is 503 for the caller, who may come again, and nothing is issued. */
export async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof errors.OIDCProviderError) throw cause
    const error = new errors.TemporarilyUnavailable(undefined, { cause })
    error.status = error.statusCode = 503
    throw error
  }
}

export function tooManyFailures(): Error {
  const error = new errors.TemporarilyUnavailable('too many failed attempts', 'rate_limited')
  error.status = error.statusCode = 429
  return error
}
