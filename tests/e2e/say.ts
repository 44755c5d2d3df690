/** What came back from an MCP endpoint over plain HTTP. */
export interface Reply {
  status: number
  headers: Headers
  text: string
  /** The JSON-RPC answer, whether it came as JSON or in a stream. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects, and fails where it is not so
  body: any
}

export interface Sent {
  token?: string
  headers?: Record<string, string>
  era?: 'modern' | 'legacy'
  signal?: AbortSignal
}

const MODERN = '2026-07-28'
const LEGACY = '2025-11-25'
let nextId = 1

/** Sends one JSON-RPC request as a client of an era would, by hand. */
export async function say(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
  options: Sent = {},
): Promise<Reply> {
  const response = await send(url, method, params, options)
  return read(response)
}

/** The same, with the answer still open. */
export function send(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
  { token, headers = {}, era = 'legacy', signal }: Sent = {},
): Promise<Response> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
  }
  const named = params['name'] ?? params['uri']
  const message = {
    jsonrpc: '2.0',
    id: nextId++,
    method,
    params: era === 'modern' ? { ...params, _meta: meta } : params,
  }
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': era === 'modern' ? MODERN : LEGACY,
      ...(era === 'modern' && { 'mcp-method': method }),
      ...(era === 'modern' && typeof named === 'string' && { 'mcp-name': named }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify(message),
    ...(signal && { signal }),
  })
}

export async function read(response: Response): Promise<Reply> {
  const text = await response.text()
  const data = response.headers.get('content-type')?.startsWith('text/event-stream')
    ? text
        .split(/\r?\n/)
        .filter(line => line.startsWith('data: {'))
        .at(-1)
        ?.slice(6)
    : text
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: data === undefined || data === '' ? null : parse(data),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
