import type { Context } from '../context.ts'
import { openCursor } from '../page.ts'

/** Where a list goes on: after this number, in this very list. Sealed, so that none can be made up or used elsewhere. */
export function openPlace(ctx: Context, list: readonly string[], cursor: string | undefined): number {
  return cursor === undefined ? 0 : Number(openCursor(ctx, cursor, placeOf(list)))
}

export function sealPlace(ctx: Context, list: readonly string[], after: number | null): string | null {
  return after === null ? null : ctx.store.secrets.seal(String(after), placeOf(list))
}

function placeOf(list: readonly string[]): string {
  return `cursor:${JSON.stringify(list)}`
}

/** One page of what passes a test, from lists that give what may pass; `next` where there is more to look at. */
export function fillPage<T>(
  after: number,
  limit: number,
  read: (after: number, limit: number) => { items: T[]; next: number | null },
  numberOf: (item: T) => number,
  passes: (item: T) => boolean,
): { items: T[]; next: number | null } {
  const items: T[] = []
  for (let from: number | null = after; from !== null; ) {
    const page: { items: T[]; next: number | null } = read(from, limit + 1)
    items.push(...page.items.filter(passes))
    if (items.length > limit) {
      const shown = items.slice(0, limit)
      return { items: shown, next: numberOf(shown.at(-1) as T) }
    }
    from = page.next
  }
  return { items, next: null }
}
