/** An HTTP request to the MCP endpoint, its body read as UTF-8 text. */
export interface Inbound {
  httpMethod: string
  /** Path and query. */
  target: string
  header(name: string): string | undefined
  body: string | null
  /** Whether the body is the text that the caller sent; else it was written again by who parsed it first. */
  isAsSent: boolean
}
