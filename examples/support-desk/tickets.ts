import type { McpServer } from '@modelcontextprotocol/server'
import { valetkeyOf } from '@valetkey/sdk/guard'
import * as z from 'zod'
import { type Database, OWN_TENANT } from './database.ts'
import { say } from './say.ts'
import { visible } from './visible.ts'

const COLUMNS = { customer: 'customer', ticket: 'id' }
const readOnly = { annotations: { readOnlyHint: true } }

export function registerTickets(server: McpServer, db: Database): void {
  /** Lists: the guard lets them through to who may see some ticket; which ones is for the query to say. */
  async function find(ctx: unknown, condition: string, values: object) {
    const { organization, filter } = valetkeyOf(ctx)
    const seen = visible(await filter('ticket:read'), COLUMNS)
    const sql = `select id, customer, subject, status from ticket
      where ${OWN_TENANT} and ${seen.where} and ${condition} order by id`
    return say(db.prepare(sql).all({ organization, ...seen.values, ...values }))
  }

  server.registerTool(
    'list_tickets',
    {
      description: 'List the tickets, all or those of one status',
      inputSchema: z.object({ status: z.enum(['open', 'closed']).optional() }),
      ...readOnly,
    },
    ({ status = null }, ctx) => find(ctx, '(@status is null or status = @status)', { status }),
  )
  server.registerTool(
    'search_tickets',
    {
      description: 'Find tickets by a word of their subject',
      inputSchema: z.object({ text: z.string() }),
      ...readOnly,
    },
    ({ text }, ctx) => find(ctx, 'instr(lower(subject), lower(@text)) > 0', { text }),
  )

  /** One ticket by its id: the guard has looked at that very ticket before this code runs. */
  server.registerTool(
    'get_ticket',
    { description: 'Read one ticket', inputSchema: z.object({ id: z.string() }), ...readOnly },
    async ({ id }, ctx) => {
      const { organization } = valetkeyOf(ctx)
      const sql = `select id, customer, subject, status from ticket where ${OWN_TENANT} and id = @id`
      return say(db.prepare(sql).get({ organization, id }))
    },
  )
  server.registerTool(
    'close_tickets',
    { description: 'Close tickets', inputSchema: z.object({ ids: z.array(z.string()) }) },
    async ({ ids }, ctx) => {
      const { organization } = valetkeyOf(ctx)
      const sql = `update ticket set status = 'closed'
        where ${OWN_TENANT} and id in (select value from json_each(@ids))`
      return say({ closed: db.prepare(sql).run({ organization, ids: JSON.stringify(ids) }).changes })
    },
  )
}
