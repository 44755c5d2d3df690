/** A request as the guard looks at it, whatever kind of server it came through. */
export interface Incoming {
  method: string
  /** Path and query. */
  target: string
  /** The address that the handler is shown. */
  url: string
  header(name: string): string | undefined
  /** All headers, for the handler. */
  headers(): Headers
  /** The body as UTF-8 text. Undefined where it is longer than allowed, null where it is not UTF-8. */
  text(maxBytes: number): Promise<string | null | undefined>
  /** Whether the text is what was sent; false where a framework has parsed the body and it is written again. */
  isAsSent: boolean
  /** Aborts when the caller leaves. */
  signal(): AbortSignal
  onGone(listener: () => void): void
}

/** What goes back: an answer of the guard's own, or the handler's as the caller may see it. */
export interface Outgoing {
  status: number
  statusText?: string
  headers: Headers | Record<string, string>
  body: string | ReadableStream<Uint8Array> | null
}

/** Bytes as UTF-8 text; null where they are something else. */
export function decodeUtf8(chunks: readonly Uint8Array[]): string | null {
  try {
    return UTF8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
  } catch {
    return null
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })
