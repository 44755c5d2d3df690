import type { Tx } from '../store.ts'

/** What each key of the logs came with: which key vouches for it, which it takes back. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  await define(`alter table log_key add column statement text`)
  // What signs no more is no longer kept.
  await define(`update log_key set sealed_seed = '' where state = 'retired'`)
}
