import { createHmac } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { sql } from 'kysely'
import type { Store } from '../../store/index.ts'

const MINUTE_MS = 60_000

/** What is counted: how often it may happen, within how many minutes, and what the right answer does to the count. */
const LIMITS = {
  /** One account from one network: somebody who has forgotten a password. */
  accountHere: [5, 15, 'forgets'],
  /** One account from wherever: a guess that is spread over many addresses. */
  account: [30, 15, 'takes back'],
  /** One network, whatever the account: one password tried at all. */
  network: [60, 15, 'takes back'],
  /** Codes of one person whose first factor was right; the second limit is for who has weeks. */
  code: [5, 15, 'forgets'],
  codeOfDay: [20, 24 * 60, 'forgets'],
  /** Codes of other devices that one person types, and one network. Whoever shows a code of their own has not guessed less. */
  userCode: [5, 15, 'takes back'],
  userCodeFrom: [30, 15, 'takes back'],
  /** What comes from identity providers, or pretends to. */
  provider: [30, 15, 'takes back'],
  /** Mails to one account, and what one network may ask for. */
  mail: [3, 15, 'keeps'],
  mailFrom: [10, 15, 'keeps'],
} as const

/** One thing that was tried: what it counts as, and of whom. */
export type Try = readonly [kind: keyof typeof LIMITS, subject: string]

/** Slows down guessing on all nodes together, and tells nobody whether there is such an account. */
export interface SignInLimit {
  /** Counts a try as each of these, up to the first one that is over its limit; whether none is. */
  take(tries: readonly Try[]): Promise<boolean>
  /** It was the right person: what was counted is taken back, or forgotten with what was counted before. */
  forgive(tries: readonly Try[]): Promise<void>
}

/**
 * Counts in a fixed number of buckets a kind, so that nobody can fill the database; who shares one by chance waits
 * together. Which subject goes where only those know who hold the secret.
 */
const BUCKETS = 2 ** 16

export function createSignInLimit(store: Store, secret: string, now: () => number): SignInLimit {
  const bucketOf = ([kind, subject]: Try) => {
    const hash = createHmac('sha256', secret).update(`attempt:${kind}:${subject}`).digest()
    return `${kind}:${hash.readUInt32BE() % BUCKETS}`
  }
  return {
    take: tries =>
      store.write(async tx => {
        for (const one of tries) {
          const [most, minutes] = LIMITS[one[0]]
          const endsAt = now() + minutes * MINUTE_MS
          const isOver = sql<boolean>`attempt.ends_at <= ${now()}`
          const { count } = await tx
            .insertInto('attempt')
            .values({ bucket: bucketOf(one), count: 1, endsAt })
            .onConflict(conflict =>
              conflict.column('bucket').doUpdateSet({
                count: sql`case when ${isOver} then 1 else attempt.count + 1 end`,
                endsAt: sql`case when ${isOver} then excluded.ends_at else attempt.ends_at end`,
              }),
            )
            .returning('count')
            .executeTakeFirstOrThrow()
          if (count > most) return false
        }
        return true
      }),
    forgive: tries =>
      store.write(async tx => {
        for (const one of tries) {
          const bucket = bucketOf(one)
          if (LIMITS[one[0]][2] === 'forgets')
            await tx.deleteFrom('attempt').where('bucket', '=', bucket).execute()
          if (LIMITS[one[0]][2] === 'takes back')
            await tx
              .updateTable('attempt')
              .set(eb => ({ count: eb('count', '-', 1) }))
              .where('bucket', '=', bucket)
              .where('count', '>', 0)
              .execute()
        }
      }),
  }
}

/** The network of an address, as far as one caller may have all of it: a whole /64 of IPv6. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [left = [], right = []] = address
    .split('::')
    .map(half => half.split(':').filter(group => group !== ''))
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  const groups = [...left, ...zeros, ...right].slice(0, 4)
  return `${groups.map(group => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
