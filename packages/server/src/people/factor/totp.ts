import { randomBytes, timingSafeEqual } from 'node:crypto'
import { base32 } from '@better-auth/utils/base32'
import { createOTP } from '@better-auth/utils/otp'
import { isoTime, newId } from '@valetkey/sdk/core'
import type { Store, Tx } from '../../store/index.ts'
import type { Person } from '../account/person.ts'

/** RFC 6238 as every authenticator app does it: six digits, thirty seconds, SHA-1. */
const STEP_MS = 30_000
const SECRET_BYTES = 20

/** A new secret as apps take it by hand: base32. */
export function newTotpSecret(): string {
  return base32.encode(randomBytes(SECRET_BYTES), { padding: false })
}

/** What an app reads from the picture. */
export function totpAddress(secret: string, { email, organization }: Person): string {
  return createOTP(base32.decode(secret)).url(`Valet Key ${organization.name}`, email)
}

/** The step that a code belongs to: of the one before, now and the next, since clocks differ. */
export async function stepOf(secret: string, typed: string, now: number): Promise<number | undefined> {
  const code = typed.replaceAll(/\s/g, '')
  if (!/^\d{6}$/.test(code)) return undefined
  const otp = createOTP(base32.decode(secret))
  const current = Math.floor(now / STEP_MS)
  let found: number | undefined
  for (const step of [current - 1, current, current + 1])
    if (timingSafeEqual(Buffer.from(await otp.hotp(step)), Buffer.from(code))) found = step
  return found
}

/** Where the secret of a person's app is sealed to. */
function placeOf(person: string): string {
  return `totp:${person}`
}

/** Keeps an app whose first code was right; that code is used up with it. Gives its id, or nothing where there is one. */
export async function insertTotp(
  tx: Tx,
  store: Store,
  { id: personId, organization }: Person,
  { secret, step, now }: { secret: string; step: number; now: number },
): Promise<string | undefined> {
  const row = await tx
    .insertInto('totp')
    .values({
      ...{ id: newId('factor', now), organizationId: organization.id, personId, lastStep: step },
      ...{
        sealedSecret: store.secrets.seal(secret, placeOf(personId)),
        createdAt: isoTime(now),
        lastUsedAt: null,
      },
    })
    .onConflict(conflict => conflict.column('personId').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id
}

/** Takes a code of a person's app, once: neither it nor one before it is good again. */
export async function takeTotp(store: Store, person: string, code: string, now: number): Promise<boolean> {
  const row = await store.db
    .selectFrom('totp')
    .select('sealedSecret')
    .where('personId', '=', person)
    .executeTakeFirst()
  const step = row && (await stepOf(store.secrets.open(row.sealedSecret, placeOf(person)), code, now))
  if (step === undefined) return false
  return store.write(async tx => {
    const { numUpdatedRows } = await tx
      .updateTable('totp')
      .set({ lastStep: step, lastUsedAt: isoTime(now) })
      .where('personId', '=', person)
      .where('lastStep', '<', step)
      .executeTakeFirstOrThrow()
    return numUpdatedRows === 1n
  })
}
