import type { Tx } from '../store.ts'

/** As which OAuth client a transmitter of security events is asked, and what that client proves itself by. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  await define(`alter table signal_source add column client text`)
  await define(`alter table signal_source rename column sealed_authorization to sealed_credential`)
}
