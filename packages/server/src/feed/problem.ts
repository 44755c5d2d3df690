import { AppError } from '@valetkey/sdk/core'
import type { Context } from 'hono'

/** Answers a failure as a problem document (RFC 9457). What was not foreseen says nothing of itself to the caller. */
export function problem(c: Context, fault: unknown, onFault: (fault: unknown) => void): Response {
  const error =
    fault instanceof AppError ? fault : new AppError('internal', 'The request failed on our side.')
  if (error.status >= 500) onFault(fault)
  const { code, status, message: detail, path } = error
  const body = JSON.stringify({ type: 'about:blank', code, status, detail, ...(path ? { path } : {}) })
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  return c.body(body, status as 500, headers)
}
