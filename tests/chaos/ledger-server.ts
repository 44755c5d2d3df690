import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'

/** An MCP server whose tools tell, before they answer, which call has reached them. */
export function createLedgerHandler(reached: (call: string) => void) {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'ledger', version: '1.0.0' })
    const tool = (name: string, inputSchema: z.ZodObject) =>
      server.registerTool(name, { description: name, inputSchema }, async input => {
        reached(String(input['call']))
        return { content: [{ type: 'text' as const, text: 'done' }] }
      })
    const call = z.string()
    tool('read_entry', z.object({ call }))
    tool('add_entry', z.object({ call, amount: z.number() }))
    tool('close_ledger', z.object({ call }))
    tool('wipe_ledger', z.object({ call }))
    return server
  })
}
