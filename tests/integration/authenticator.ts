import { base32 } from '@better-auth/utils/base32'
import { createOTP } from '@better-auth/utils/otp'
import { newId } from '@valetkey/sdk/core'
import type { Store } from '../../packages/server/src/store/index.ts'

/** What an authenticator app shows at a time, or some steps of thirty seconds later. */
export function codeOf(secret: string, now: number, steps = 0): Promise<string> {
  return createOTP(base32.decode(secret)).hotp(Math.floor(now / 30_000) + steps)
}

/** The secret that a page shows to set an app up. */
export function secretOn({ text }: { text: string }): string {
  return (/<code>([A-Z2-7 ]+)<\/code>/.exec(text)?.[1] ?? '').replaceAll(' ', '')
}

/** The recovery codes that a page shows. */
export function codesOn({ text }: { text: string }): string[] {
  return [...text.matchAll(/<li><code>([a-z0-9-]+)<\/code>/g)].map(([, code]) => code ?? '')
}

/** An authenticator app of somebody, as it is kept; its secret is none. */
export async function addApp(
  { db }: Store,
  { id: personId, organization: organizationId }: { id: string; organization: string },
): Promise<string> {
  const id = newId('factor')
  const app = { sealedSecret: 'v1.', lastStep: 0, createdAt: '2027-01-01T00:00:00Z', lastUsedAt: null }
  await db
    .insertInto('totp')
    .values({ id, organizationId, personId, ...app })
    .execute()
  return id
}
