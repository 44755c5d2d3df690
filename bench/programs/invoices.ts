import type { JsonObject } from '@valetkey/sdk/core'

/** An MCP server in as few cycles as there can be: one tool, one answer. */
export function answerMcp(message: JsonObject): JsonObject | undefined {
  const { id, method } = message
  if (id === undefined) return undefined
  const result = RESULTS[String(method)]
  return result
    ? { jsonrpc: '2.0', id, result }
    : { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
}

const INVOICE = { id: 'INV-1042', customer: 'acme', amount: 120, currency: 'EUR', status: 'paid', lines: 3 }
export const INVOICES = JSON.stringify([INVOICE, INVOICE])

export const TOOLS: JsonObject[] = [
  {
    name: 'get_invoice',
    description: 'Read one invoice of a customer',
    inputSchema: {
      type: 'object',
      properties: { customer: { type: 'string' }, id: { type: 'string' }, note: { type: 'string' } },
      required: ['customer', 'id'],
    },
  },
]

const RESULTS: Record<string, JsonObject> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'invoices', version: '1.0.0' },
  },
  ping: {},
  'tools/list': {
    tools: TOOLS,
  },
  'tools/call': { content: [{ type: 'text', text: INVOICES }] },
}
