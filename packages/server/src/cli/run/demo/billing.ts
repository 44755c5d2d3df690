import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'

const INVOICES = [
  { id: 'INV-1042', customer: 'acme', amount: 120, status: 'paid' },
  { id: 'INV-1043', customer: 'acme', amount: 980, status: 'open' },
  { id: 'INV-2001', customer: 'globex', amount: 4300, status: 'open' },
  // Of another organization, which keeps its books on the same server.
  { id: 'INV-7001', customer: 'initech', amount: 75, status: 'open' },
]

const TICKETS = [
  { id: 'T-17', customer: 'acme', subject: 'Paid twice?' },
  { id: 'T-21', customer: 'globex', subject: 'Where is my invoice?' },
]

/** Northwind's billing server: tool code as anybody writes it on the official SDK, which knows nothing of Valet Key. */
function buildBillingServer(): McpServer {
  const server = new McpServer({ name: 'billing', version: '1.0.0' })
  const customer = z.string().describe('The customer, for example "acme"')
  server.registerTool(
    'list_invoices',
    {
      description: 'List the invoices of a customer',
      inputSchema: z.object({ customer }),
      annotations: { readOnlyHint: true },
    },
    async ({ customer }) => say(INVOICES.filter(invoice => invoice.customer === customer)),
  )
  server.registerTool(
    'get_invoice',
    {
      description: 'Read one invoice of a customer',
      inputSchema: z.object({ customer, id: z.string() }),
      annotations: { readOnlyHint: true },
    },
    async ({ customer, id }) =>
      say(INVOICES.find(invoice => invoice.customer === customer && invoice.id === id) ?? null),
  )
  server.registerTool(
    'refund_invoice',
    {
      description: 'Pay an invoice back',
      inputSchema: z.object({ customer, id: z.string(), amount: z.number() }),
    },
    async ({ id, amount }) => say({ refunded: id, amount }),
  )
  server.registerTool(
    'list_tickets',
    {
      description: 'List the open tickets of a customer',
      inputSchema: z.object({ customer }),
      annotations: { readOnlyHint: true },
    },
    async ({ customer }) => say(TICKETS.filter(ticket => ticket.customer === customer)),
  )
  server.registerTool(
    'export_customers',
    { description: 'Export all customers', inputSchema: z.object({}) },
    async () => say([...new Set(INVOICES.map(invoice => invoice.customer))]),
  )
  return server
}

function say(value: unknown) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value) }] }
}

/** The server as a fetch-style handler, in both eras of MCP. */
export function createBillingHandler() {
  return createMcpHandler(buildBillingServer)
}
