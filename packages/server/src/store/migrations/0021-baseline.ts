import type { Tx } from '../store.ts'

/** What agents usually do, when an organization wants to be told that one does otherwise, and what it was told. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table agent_profile (
    agent_id text primary key, organization_id text not null, profile text not null, updated_at text not null)`,
  `create table alert_policy (organization_id text primary key, settings text not null)`,
  `create table alert (
    id text primary key, organization_id text not null, agent_id text not null, kind text not null, at text not null,
    raised_at text not null, sentence text not null, what text not null, usual text not null, records text not null,
    suspension text not null, acknowledged_at text, acknowledged_by text, note text)`,
  `create index alert_organization on alert (organization_id, id)`,
  `create index alert_raised on alert (raised_at)`,
  `create index alert_suspension on alert (suspension) where suspension = 'pending'`,
]
