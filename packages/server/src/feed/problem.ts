import { AppError, ERRORS } from '@valetkey/sdk/core'
import type { Context } from 'hono'

/** Answers a failure as a problem document (RFC 9457). What was not foreseen says nothing of itself to the caller. */
export function problem(c: Context, fault: unknown, onFault: (fault: unknown) => void): Response {
  const error =
    fault instanceof AppError ? fault : new AppError('internal', 'The request failed on our side.')
  if (error.status >= 500) onFault(fault)
  const { code, message: detail, path } = error
  const [status, title] = ERRORS[code]
  const body = JSON.stringify({ type: `urn:valetkey:error:${code}`, title, status, code, detail, path })
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  return c.body(body, status, headers)
}
