import type { Tx } from '../store.ts'

/** How the people of an organization may prove who they are, and which of their sessions still count. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  // A session counts while its epoch is its person's: raising it ends them all, in the transaction that says why.
  `alter table principal add column session_epoch bigint not null default 0`,

  `create table sign_in_policy (
    organization_id text primary key references organization(id), methods text not null, second_factor text not null,
    session_minutes bigint not null)`,
]
