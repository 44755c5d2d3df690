import { McpServer } from '@modelcontextprotocol/server'
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import * as z from 'zod'
import { INVOICES } from './invoices.ts'

/** The same server as people write it, on the official SDK over stdio, for a bridge. */
const server = new McpServer({ name: 'invoices', version: '1.0.0' })
server.registerTool(
  'get_invoice',
  {
    description: 'Read one invoice of a customer',
    inputSchema: z.object({ customer: z.string(), id: z.string(), note: z.string().optional() }),
  },
  async () => ({ content: [{ type: 'text', text: INVOICES }] }),
)
await server.connect(new StdioServerTransport())
