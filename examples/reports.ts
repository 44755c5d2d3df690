// An MCP server on SDK v2 with a tool that calls another one for whoever called it.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { Guard } from '@valetkey/sdk/guard'
import * as z from 'zod'

export function createReports(guard: Pick<Guard, 'forward'>, billing: string) {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'reports', version: '1.0.0' })
    server.registerTool(
      'invoice_report',
      {
        description: 'Report on one invoice',
        inputSchema: z.object({ customer: z.string(), id: z.string() }),
      },
      async (invoice, ctx) => {
        const client = new Client({ name: 'reports', version: '1.0.0' })
        const fetch = guard.forward(ctx, { to: billing })
        await client.connect(new StreamableHTTPClientTransport(new URL(billing), { fetch }))
        try {
          return await client.callTool({ name: 'get_invoice', arguments: invoice })
        } finally {
          await client.close()
        }
      },
    )
    return server
  })
}
