import type { Tx } from '../store.ts'

/** Which key signs follows from the clock, so that all nodes change keys together and nobody has to tell them. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `alter table signing_key add column active_from bigint`,
  `update signing_key set active_from = case when state = 'active' then 2 else 1 end`,
  `alter table signing_key drop column state`,
]
