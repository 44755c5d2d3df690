import type { AdminApi, Client } from '@valetkey/sdk/contract'
import type { Database } from './database.ts'

const ROWS_AT_ONCE = 2_000

/**
 * Tells the authority which customers, invoices and tickets there are, and notes which organization is which tenant. The
 * same again changes nothing. A real desk does this for each row as it makes it, beside its own insert.
 */
export async function registerAll(db: Database, api: Client<AdminApi>): Promise<void> {
  const { items } = await api.organizations.list({})
  for (const { id, slug } of items) {
    const { changes } = db.prepare('update tenant set organization = ? where slug = ?').run(id, slug)
    if (changes === 0) continue
    const rows = resourcesOf(db, slug)
    for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
      const { rejected } = await api.resources.import({
        organization: id,
        rows: rows.slice(from, from + ROWS_AT_ONCE),
      })
      for (const { row, detail } of rejected)
        throw new Error(`${JSON.stringify(rows[from + row])}: ${detail}`)
    }
  }
}

type Row = Record<string, string>

/** Customers first: what lies below them names them. */
function resourcesOf(db: Database, tenant: string): Row[] {
  const select = (sql: string) => db.prepare(sql).all(tenant) as Row[]
  const below = ({ customer = '', ...row }: Row) => ({
    ...row,
    parent: `customer/${encodeURIComponent(customer)}`,
  })
  return [
    ...select(`select 'customer' as type, id, name from customer where tenant = ?`),
    ...select(`select 'invoice' as type, id, customer from invoice where tenant = ?`).map(below),
    ...select(`select 'ticket' as type, id, customer from ticket where tenant = ?`).map(below),
  ]
}
