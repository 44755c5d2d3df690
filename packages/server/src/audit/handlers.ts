import type { AdminApi, Parsed } from '@valetkey/sdk/contract'
import type { Db } from '../store/index.ts'
import type { Audit } from './open.ts'
import { proofHandlers } from './proof/handlers.ts'
import { namesOf } from './question/names.ts'
import { callSentence } from './question/sentence.ts'

type Asking = { actor: { id: string } }
type Evidence = AdminApi['evidence']
type Reading = { store: { db: Db } }

/** The operations that say how long evidence is kept. */
function retentionHandlers({ retention }: Audit) {
  return {
    retention: (_ctx: unknown, input: Parsed<Evidence['retention']>) => retention.list(input),
    setRetention: ({ actor }: Asking, input: Parsed<Evidence['setRetention']>) =>
      retention.set(input, actor.id),
    holds: (_ctx: unknown, input: Parsed<Evidence['holds']>) => retention.holds(input),
    hold: ({ actor }: Asking, input: Parsed<Evidence['hold']>) => retention.hold(input, actor.id),
    release: ({ actor }: Asking, input: Parsed<Evidence['release']>) => retention.release(input, actor.id),
  }
}

/** The operations of the admin API that ask the evidence. */
export function auditHandlers(audit: Audit) {
  return {
    evidence: { ...proofHandlers(audit), ...retentionHandlers(audit) },
    audit: {
      calls: (_ctx: unknown, input: Parsed<AdminApi['audit']['calls']>) => audit.calls(input),
      counts: (_ctx: unknown, input: Parsed<AdminApi['audit']['counts']>) => audit.counts(input),
      who: (_ctx: unknown, input: Parsed<AdminApi['audit']['who']>) => audit.who(input),
      changes: (_ctx: unknown, input: Parsed<AdminApi['audit']['changes']>) => audit.changes(input),
    },
    decisions: {
      async get(ctx: Reading, input: Parsed<AdminApi['decisions']['get']>) {
        const call = await audit.get(input.id)
        const name = await namesOf(
          ctx.store.db,
          call.assignments.map(({ createdBy }) => createdBy),
        )
        return { ...call, sentence: callSentence(call, name) }
      },
    },
  }
}
