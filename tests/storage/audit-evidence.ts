import { join } from 'node:path'
import { type Audit, openAudit } from '../../packages/server/src/audit/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { insertNames } from './audit-samples.ts'
import { freshDirectory, type OpenTestStore, type Place } from './databases.ts'

export const NOW = Date.UTC(2026, 8, 30)

export interface Evidence extends AsyncDisposable {
  store: Store
  audit: Audit
  passTime(ms: number): void
  /** All that one question finds, page by page. */
  all(
    query?: Partial<Parameters<Audit['calls']>[0]>,
    betweenPages?: () => Promise<unknown>,
  ): Promise<string[]>
}

export function openTestAudit(store: Store, place: Place, now = () => NOW): Promise<Audit> {
  const path = place.kind === 'file' ? join(freshDirectory(), 'audit.db') : ':memory:'
  // Few enough that what a test ships lies in a head, in one that waits, and in segments.
  return openAudit({ store, path, origin: 'auth.test/log', now, headRecords: 25 })
}

/** Facts with the names of the samples, and empty evidence. */
export async function openEvidence(open: OpenTestStore, place: Place): Promise<Evidence> {
  const store = await open()
  await insertNames(store)
  let passed = 0
  const audit = await openTestAudit(store, place, () => NOW + passed)
  return {
    store,
    audit,
    passTime(ms) {
      passed += ms
    },
    async all(query = {}, betweenPages = async () => undefined) {
      const ids: string[] = []
      let cursor: string | undefined
      do {
        const page = await audit.calls({ limit: 20, ...query, cursor })
        ids.push(...page.items.map(({ id }) => id))
        cursor = page.next ?? undefined
        await betweenPages()
      } while (cursor !== undefined)
      return ids
    },
    [Symbol.asyncDispose]: () => audit.close(),
  }
}
