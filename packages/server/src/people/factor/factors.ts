import { AppError } from '@valetkey/sdk/core'
import { record } from '../../audit/index.ts'
import { endSessions, quote } from '../../directory/index.ts'
import type { Db, Tx } from '../../store/index.ts'

/** One thing by which a person signs in beside a password. */
export interface Factor {
  id: string
  kind: 'totp' | 'passkey'
  /** What the person called it. */
  label: string
  createdAt: string
  lastUsedAt: string | null
}

/** Everything that a person has set up; an authenticator app first. */
export async function listFactors(db: Db, person: string): Promise<Factor[]> {
  const apps = await db
    .selectFrom('totp')
    .select(['id', 'createdAt', 'lastUsedAt'])
    .where('personId', '=', person)
    .execute()
  const passkeys = await db
    .selectFrom('passkey')
    .select(['id', 'label', 'createdAt', 'lastUsedAt'])
    .where('personId', '=', person)
    .orderBy('id')
    .execute()
  return [
    ...apps.map(app => ({ ...app, kind: 'totp' as const, label: '' })),
    ...passkeys.map(passkey => ({ ...passkey, kind: 'passkey' as const })),
  ]
}

export async function countRecoveryCodes(db: Db, person: string): Promise<number> {
  const { many } = await db
    .selectFrom('recoveryCode')
    .select(eb => eb.fn.countAll<number>().as('many'))
    .where('personId', '=', person)
    .executeTakeFirstOrThrow()
  return Number(many)
}

/**
 * Takes a factor of a person away, and ends the person's sessions; with the last one the recovery codes go.
 */
export async function removeFactor(
  tx: Tx,
  { id: person, organizationId: organization }: { id: string; organizationId: string },
  factor: string,
  { actor, reason, now }: { actor: string; reason: string; now: number },
): Promise<Factor> {
  // First, since it makes changes of the same person follow each other.
  await endSessions(tx, person)
  const factors = await listFactors(tx, person)
  const found = factors.find(({ id }) => id === factor)
  if (!found) throw new AppError('not_found', `There is no factor ${quote(factor)} of this person.`)
  await tx.deleteFrom(found.kind).where('id', '=', factor).where('personId', '=', person).execute()
  if (factors.length === 1) await tx.deleteFrom('recoveryCode').where('personId', '=', person).execute()
  const event = { organization, type: 'person.factor_removed', actor, target: person }
  await record(tx, { ...event, detail: { kind: found.kind, factor, label: found.label, reason } }, now)
  return found
}
