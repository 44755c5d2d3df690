import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { Handler } from '@valetkey/sdk/guard'
import * as z from 'zod'

/** An MCP server as anybody writes it on SDK v1 (2025-11-25): a transport for each session, tools that know nothing of keys. */
export function createInvoicesV1(): Handler {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

  async function open(): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: id => void sessions.set(id, transport),
      onsessionclosed: id => void sessions.delete(id),
    })
    await buildServer().connect(transport as Transport)
    return transport
  }

  return async (request, options) => {
    const id = request.headers.get('mcp-session-id')
    const transport = id === null ? await open() : sessions.get(id)
    return transport ? transport.handleRequest(request, options) : new Response(null, { status: 404 })
  }
}

function buildServer(): McpServer {
  const server = new McpServer({ name: 'invoices', version: '1.0.0' })
  server.registerTool(
    'get_invoice',
    { description: 'Read one invoice', inputSchema: { customer: z.string(), id: z.string() } },
    async ({ id }) => ({ content: [{ type: 'text', text: JSON.stringify({ id, amount: 120 }) }] }),
  )
  server.registerTool(
    'refund_invoice',
    {
      description: 'Pay an invoice back',
      inputSchema: { customer: z.string(), id: z.string(), amount: z.number() },
    },
    async ({ id, amount }) => ({
      content: [{ type: 'text', text: JSON.stringify({ refunded: id, amount }) }],
    }),
  )
  return server
}
