import { AppError } from '@valetkey/sdk/core'
import { errors } from 'oidc-provider'
import { available } from '../trouble.ts'

/** Waits for work on a delegation; what is not allowed becomes the error that OAuth has for it, with the reason on record. */
export function delegationRefused<T>(work: Promise<T>): Promise<T> {
  return available(
    work.catch((error: unknown) => {
      throw error instanceof AppError && error.status < 500 ? toOauth(error) : error
    }),
  )
}

function toOauth({ code, path, message }: AppError): Error {
  const reason = code === 'delegation.refused' ? `delegation_${path}` : code
  if (path === 'scope') return new errors.InvalidScope(message, undefined, reason)
  if (path === 'handle')
    return new errors.InvalidRequest('the subject_token is not acceptable', undefined, reason)
  return new errors.InvalidRequest(message, undefined, reason)
}
