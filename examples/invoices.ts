import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'

/** An MCP server as anybody writes it on SDK v2 (both revisions), with tools that know nothing of keys. */
export function createInvoices() {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'invoices', version: '1.0.0' })
    server.registerTool(
      'get_invoice',
      { description: 'Read one invoice', inputSchema: z.object({ customer: z.string(), id: z.string() }) },
      async ({ id }) => ({ content: [{ type: 'text', text: JSON.stringify({ id, amount: 120 }) }] }),
    )
    server.registerTool(
      'refund_invoice',
      {
        description: 'Pay an invoice back',
        inputSchema: z.object({ customer: z.string(), id: z.string(), amount: z.number() }),
      },
      async ({ id, amount }) => ({
        content: [{ type: 'text', text: JSON.stringify({ refunded: id, amount }) }],
      }),
    )
    return server
  })
}
