import { AppError } from '@valetkey/sdk/core'

export const MAX_BODY_BYTES = 1_000_000
/** For the few operations that take lists of any length. */
export const MAX_LARGE_BODY_BYTES = 16_000_000
const MAX_DEPTH = 64

/** Reads a JSON body within limits of size and depth, as plain UTF-8; no body at all is an empty object. */
export async function readBody(
  request: Request,
  maxBytes: number = MAX_BODY_BYTES,
  type: 'application/json' | 'application/scim+json' = 'application/json',
): Promise<unknown> {
  const encoding = request.headers.get('content-encoding')
  if (encoding !== null && encoding !== 'identity')
    throw new AppError('request.encoding', 'Send the body as it is, without a content encoding.')
  const bytes = await readBytes(request, maxBytes)
  if (bytes.length === 0) return {}
  const sent = /^([^;\s]+)\s*(;\s*charset="?utf-8"?\s*)?$/i.exec(request.headers.get('content-type') ?? '')
  if (![type, 'application/json'].includes(sent?.[1]?.toLowerCase() ?? ''))
    throw new AppError('request.encoding', `Send the body as "Content-Type: ${type}".`)
  const text = decode(bytes)
  refuseDeep(text)
  const value = parse(text)
  refuseUnstorable(value, '')
  return value
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const length = request.headers.get('content-length')
  if (Number(length) > maxBytes) throw tooLarge(maxBytes)
  // node:http lets nothing through that is longer than it said, and reads it without the cost of a stream.
  if (length !== null) return new Uint8Array(await request.arrayBuffer())
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('request.too_large', `A body may have ${maxBytes} bytes at most.`)
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AppError('request.encoding', 'The body is not UTF-8.', { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('request.invalid', 'The body is not JSON.', { cause })
  }
}

/** Counts brackets outside of strings, before anything that recurses sees the value. */
function refuseDeep(text: string): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (inString) {
      if (character === '\\') i++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') {
      if (++depth > MAX_DEPTH)
        throw new AppError('request.invalid', `The body is nested more than ${MAX_DEPTH} levels deep.`)
    } else if (character === '}' || character === ']') depth--
  }
}

/** Refuses texts that a database or a hash would not take as they are, and the one key that is more than a key. */
function refuseUnstorable(value: unknown, path: string): void {
  if (typeof value === 'string') refuseText(value, path)
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    refuseText(key, path)
    if (key === '__proto__')
      throw new AppError('request.invalid', 'A key may not be called "__proto__".', { path })
    refuseUnstorable(member, path === '' ? key : `${path}.${key}`)
  }
}

function refuseText(text: string, path: string): void {
  if (text.includes('\u0000') || !text.isWellFormed())
    throw new AppError('request.invalid', 'A text holds U+0000 or half a character.', {
      path: path.slice(0, 200),
    })
}
