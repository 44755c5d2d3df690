import type { McpServer } from '@modelcontextprotocol/server'
import { valetkeyOf } from '@valetkey/sdk/guard'
import * as z from 'zod'
import { type Database, OWN_TENANT } from './database.ts'
import { say } from './say.ts'
import { visible } from './visible.ts'

const COLUMNS = { customer: 'customer', invoice: 'id' }
const readOnly = { annotations: { readOnlyHint: true } }

export function registerInvoices(server: McpServer, db: Database): void {
  server.registerTool(
    'list_invoices',
    { description: 'List the invoices', inputSchema: z.object({}), ...readOnly },
    async (_, ctx) => {
      const { organization, filter } = valetkeyOf(ctx)
      const seen = visible(await filter('invoice:read'), COLUMNS)
      const sql = `select id, customer, amount, status from invoice where ${OWN_TENANT} and ${seen.where} order by id`
      return say(db.prepare(sql).all({ organization, ...seen.values }))
    },
  )
  server.registerTool(
    'get_invoice',
    { description: 'Read one invoice', inputSchema: z.object({ id: z.string() }), ...readOnly },
    async ({ id }, ctx) => {
      const { organization } = valetkeyOf(ctx)
      const sql = `select id, customer, amount, status from invoice where ${OWN_TENANT} and id = @id`
      return say(db.prepare(sql).get({ organization, id }))
    },
  )
  server.registerTool(
    'refund_invoice',
    {
      description: 'Pay an amount of an invoice back',
      inputSchema: z.object({ customer: z.string(), id: z.string(), amount: z.number() }),
    },
    async ({ id, amount }, ctx) => {
      const { organization } = valetkeyOf(ctx)
      const sql = `update invoice set amount = amount - @amount, status = 'refunded' where ${OWN_TENANT} and id = @id`
      return say({ refunded: db.prepare(sql).run({ organization, id, amount }).changes === 1 ? amount : 0 })
    },
  )
}
