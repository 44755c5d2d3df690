import type { Tx } from '../store.ts'

/**
 * What people agree to: the one server that a grant is for, what it holds for a shorter time, when it was last used; how
 * far an organization lets its people go; and agents that cannot do with less than they ask for.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `alter table "grant" add column server_id text references server(id)`,
  `alter table "grant" add column elevated text not null default '{}'`,
  `alter table "grant" add column last_used_at text`,
  `alter table organization add column consent_policy text`,
  `alter table agent add column all_or_nothing integer not null default 0`,
  `create index grant_person on "grant" (organization_id, person_id, agent_id)`,
]
