import type { Tx } from '../store.ts'

/** Until when a server is observed. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  await define('alter table server add column observe_until text')
}
