import type { Route } from '@valetkey/sdk/contract'
import { AppError, didYouMean } from '@valetkey/sdk/core'
import * as z from 'zod'
import { quote } from '../directory/index.ts'
import { MAX_BODY_BYTES, MAX_LARGE_BODY_BYTES, readBody } from './body.ts'

/** Turns a request into the input of its operation: path, query and body in one flat object, nothing unknown in it. */
export async function parseInput(
  route: Route,
  request: Request,
  params: Record<string, string>,
): Promise<Record<string, unknown>> {
  const query = parse(route.query ?? z.object({}), readQuery(new URL(request.url)))
  for (const [key, value] of Object.entries(params)) refuseNul(key, value)
  const maxBytes = route.largeBody ? MAX_LARGE_BODY_BYTES : MAX_BODY_BYTES
  const body = route.body ? parse(route.body, await readBody(request, maxBytes)) : {}
  return { ...query, ...body, ...params }
}

function readQuery(url: URL): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [key, value] of url.searchParams) {
    if (Object.hasOwn(query, key))
      throw new AppError('request.invalid', `The query names ${quote(key)} twice.`, { path: key })
    refuseNul(key, value)
    Object.defineProperty(query, key, { value, enumerable: true })
  }
  return query
}

/** Not every database can hold it, so none is asked. */
function refuseNul(key: string, value: string): void {
  if (value.includes('\u0000'))
    throw new AppError('request.invalid', 'A text holds U+0000.', { path: key.slice(0, 200) })
}

function parse(schema: z.ZodObject, value: unknown): Record<string, unknown> {
  const result = schema.strict().safeParse(value)
  if (result.success) return result.data
  throw toError(result.error.issues[0], Object.keys(schema.shape))
}

function toError(issue: z.core.$ZodIssue | undefined, known: readonly string[]): AppError {
  const path = issue?.path.map(String).join('.').slice(0, 200) ?? ''
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const meant = path === '' ? didYouMean(key, known) : ''
    return new AppError('request.invalid', `There is no ${quote(key)} here.${meant}`, {
      path: [path, key].filter(Boolean).join('.').slice(0, 200),
    })
  }
  const sentence = issue?.message ?? 'The request does not have the form that the operation takes.'
  return new AppError(
    'request.invalid',
    path === '' ? sentence : `${quote(path)}: ${sentence}`,
    path === '' ? {} : { path },
  )
}
