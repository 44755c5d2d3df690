import type { Tx } from '../store.ts'

/** Which MCP server may call which other one for those who have called it. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  await define(`create table forward (
    from_id text not null references server(id), to_id text not null references server(id),
    created_at text not null, created_by text not null, primary key (from_id, to_id))`)
}
