import { AppError, ERRORS } from '@valetkey/sdk/core'

/** A failure as the caller sees it (RFC 9457). What is not an AppError is a fault of ours, and says nothing of itself. */
export function toProblem(error: unknown, requestId: string): Response {
  const failure = error instanceof AppError ? error : fault(requestId)
  const [status, title] = ERRORS[failure.code]
  const body = {
    type: `urn:valetkey:error:${failure.code}`,
    title,
    status,
    code: failure.code,
    detail: failure.message,
    path: failure.path,
    instance: requestId,
  }
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-request-id': requestId,
  }
  if (failure.code === 'auth.required') headers['www-authenticate'] = 'Bearer realm="valetkey"'
  if (failure.code === 'auth.invalid')
    headers['www-authenticate'] = 'Bearer realm="valetkey", error="invalid_token"'
  if (failure.code === 'request.too_many') headers['retry-after'] = '60'
  return new Response(JSON.stringify(body), { status, headers })
}

function fault(requestId: string): AppError {
  return new AppError('internal', `Something failed here; the log has it under ${requestId}.`)
}
