import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { Database } from './database.ts'
import { registerInvoices } from './invoices.ts'
import { registerTickets } from './tickets.ts'

/** The support desk as an MCP server on SDK v2. It stands behind a guard: without one, every tool refuses to work. */
export function createDesk(db: Database) {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'support-desk', version: '1.0.0' })
    registerTickets(server, db)
    registerInvoices(server, db)
    return server
  })
}
