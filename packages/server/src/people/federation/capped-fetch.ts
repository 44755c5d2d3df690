import { FederationError } from './said.ts'

const TIMEOUT_MS = 5_000
const MOST_BYTES = 512 * 1024

/**
 * Asks an identity provider, which may be a host of the own network: administrators name them. It gets five seconds and
 * half a megabyte, and cannot send us anywhere else.
 */
export async function cappedFetch(url: string, init: RequestInit): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    const { status, headers } = response
    if (status >= 300 && status < 400) {
      await response.body?.cancel()
      throw new FederationError('provider_redirects')
    }
    const body = await readCapped(response)
    return new Response(status === 204 ? null : body, { status, headers: withoutEncoding(headers) })
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw new FederationError(signal.aborted ? 'provider_slow' : 'provider_unreachable', cause)
  }
}

async function readCapped(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MOST_BYTES) throw new FederationError('provider_answer_too_large')
    chunks.push(chunk)
  }
  return Uint8Array.from(Buffer.concat(chunks))
}

/** The body is decoded already. */
function withoutEncoding(headers: Headers): Headers {
  const plain = new Headers(headers)
  for (const name of ['content-encoding', 'content-length']) plain.delete(name)
  return plain
}
