import { isDeepStrictEqual } from 'node:util'

/**
 * The little of vitest that the tests of the engine use, so that a mutant is tried in half a second. Whether the real
 * one agrees is seen in every `npm test`.
 */
type Work = () => unknown

const waiting: Work[] = []

export function test(_: string, work: Work): void {
  waiting.push(work)
}
test.each = (rows: readonly unknown[]) => (_: string, work: (...row: unknown[]) => unknown) => {
  for (const row of rows) waiting.push(() => (Array.isArray(row) ? work(...row) : work(row)))
}

/** Groups are for who reads the report. */
export function describe(_: string, work: Work): void {
  work()
}

/** Runs what was registered; the first failure is thrown. */
export async function runTests(): Promise<void> {
  for (const work of waiting.splice(0)) await work()
}

class Any {}
const ANY = new Any()

function isLike(got: unknown, wanted: unknown): boolean {
  if (wanted === ANY) return true
  if (Array.isArray(wanted))
    return (
      Array.isArray(got) &&
      got.length === wanted.length &&
      wanted.every((one, place) => isLike(got[place], one))
    )
  if (typeof wanted !== 'object' || wanted === null || wanted instanceof Set)
    return isDeepStrictEqual(plain(got), plain(wanted))
  const object = got as Record<string, unknown>
  return Object.entries(wanted).every(([key, value]) => isLike(object?.[key], value))
}

/** Arbitraries make objects without a prototype; that is no difference. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Set || value instanceof Map)
    return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([key, one]) => [key, plain(one)]),
  )
}

export function expect(got: unknown, what = '') {
  return { ...claims(got, what, true), not: claims(got, what, false) }
}

function claims(got: unknown, what: string, isSo: boolean) {
  const must = (holds: boolean, how: string, wanted?: unknown) => {
    if (holds === isSo) return
    throw new Error(`${what} ${JSON.stringify(got)} ${isSo ? '' : 'not: '}${how} ${JSON.stringify(wanted)}`)
  }
  return {
    toBe: (wanted: unknown) => must(Object.is(got, wanted), 'is not', wanted),
    toEqual: (wanted: unknown) =>
      must(isDeepStrictEqual(plain(got), plain(wanted)), 'does not equal', wanted),
    toMatchObject: (wanted: object) => must(isLike(got, wanted), 'does not match', wanted),
    toBeNull: () => must(got === null, 'is not null'),
    toContain: (wanted: unknown) =>
      must([...(got as Iterable<unknown>)].includes(wanted), 'is without', wanted),
    toMatch: (wanted: RegExp) => must(wanted.test(String(got)), 'does not match', String(wanted)),
    toHaveLength: (wanted: number) =>
      must((got as { length: number }).length === wanted, 'is not as long as', wanted),
    toBeUndefined: () => must(got === undefined, 'is not undefined'),
    toBeGreaterThan: (wanted: number) => must((got as number) > wanted, 'is not above', wanted),
    toBeGreaterThanOrEqual: (wanted: number) => must((got as number) >= wanted, 'is below', wanted),
  }
}
expect.any = (_: unknown) => ANY
