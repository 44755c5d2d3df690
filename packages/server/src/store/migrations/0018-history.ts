import type { Tx } from '../store.ts'

/**
 * Changes that enforcement points need no more, kept so that a decision can be rebuilt with the policy of its moment.
 * Resources are not among them: records say where a resource lay.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `drop table policy_base`,
  `create table change_history (
    organization_id text not null, revision bigint not null, ord integer not null, fact text not null, fact_id text not null,
    value text, actor text not null, at text not null, primary key (organization_id, revision, ord)) without rowid`,
]
