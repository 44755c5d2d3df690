import Sqlite from 'better-sqlite3'

export type Database = Sqlite.Database

const SCHEMA = `
  create table if not exists tenant (slug text primary key, organization text unique);
  create table if not exists customer (tenant text, id text, name text, primary key (tenant, id));
  create table if not exists invoice (
    tenant text, id text, customer text, amount real, status text, primary key (tenant, id));
  create table if not exists ticket (
    tenant text, id text, customer text, subject text, status text, primary key (tenant, id));
`

/** The same ids mean other things to each tenant: what keeps them apart is never the id. */
const ROWS: Record<string, readonly (readonly (string | number)[])[]> = {
  tenant: [['northwind'], ['contoso']],
  customer: [
    ['northwind', 'acme', 'Acme Ltd'],
    ['northwind', 'globex', 'Globex Corp'],
    ['contoso', 'acme', 'Acme of Contoso'],
    ['contoso', 'initech', 'Initech'],
  ],
  invoice: [
    ['northwind', 'INV-1', 'acme', 120, 'paid'],
    ['northwind', 'INV-2', 'acme', 980, 'open'],
    ['northwind', 'INV-3', 'globex', 4300, 'open'],
    ['contoso', 'INV-1', 'acme', 77, 'open'],
    ['contoso', 'INV-9', 'initech', 15, 'paid'],
  ],
  ticket: [
    ['northwind', 'T-1', 'acme', 'The invoice came twice', 'open'],
    ['northwind', 'T-2', 'acme', 'Cannot sign in', 'closed'],
    ['northwind', 'T-3', 'globex', 'Where is my refund?', 'open'],
    ['contoso', 'T-1', 'acme', 'The printer is on fire', 'open'],
    ['contoso', 'T-7', 'initech', 'My stapler is gone', 'open'],
  ],
}

/** Opens the desk's own database; a new one gets the rows of the example. */
export function openDatabase(path: string): Database {
  const db = new Sqlite(path)
  db.exec(SCHEMA)
  const isNew = db.prepare('select count(*) as rows from tenant').get() as { rows: number }
  if (isNew.rows === 0)
    for (const [table, rows] of Object.entries(ROWS))
      for (const row of rows) {
        const values = table === 'tenant' ? [...row, null] : row
        db.prepare(`insert into ${table} values (${values.map(() => '?').join(', ')})`).run(...values)
      }
  return db
}

/** In every query: the caller's tenant, by the organization that its token names. */
export const OWN_TENANT = 'tenant = (select slug from tenant where organization = @organization)'
