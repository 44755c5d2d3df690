import type { Tx } from '../store.ts'

/** What clients may ask for, and how. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `alter table client_registration add column must_push integer not null default 0`,
  `create index client_registration_from on client_registration (registered_from, created_at)`,
  `alter table "grant" add column details text`,
  `alter table "grant" add column lends integer not null default 0`,
]
