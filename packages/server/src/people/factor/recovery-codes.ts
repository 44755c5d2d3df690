import { createHmac, randomBytes } from 'node:crypto'
import { record } from '../../audit/index.ts'
import type { Store, Tx } from '../../store/index.ts'
import type { Person } from '../account/person.ts'
import { countRecoveryCodes } from './factors.ts'

const MANY = 10
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'
const LENGTH = 16

/** Codes for who has lost everything else; each is good once. */
export interface RecoveryCodes {
  /** Makes new ones in place of all earlier ones. They are shown this once. */
  renew(tx: Tx, person: Person): Promise<string[]>
  /** Uses one up; false where there is no such code. */
  take(person: Person, code: string, now: number): Promise<boolean>
}

/**
 * A code has 79 random bits, so that somebody can write it down. Its hash is keyed: whoever reads the database cannot try
 * them out there.
 */
export function createRecoveryCodes(store: Store, secret: string): RecoveryCodes {
  const hashOf = (person: string, code: string) =>
    createHmac('sha256', secret)
      .update(`recovery:${person}:${code.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`)
      .digest('base64url')
  return {
    async renew(tx, { id: personId, organization }) {
      const codes = Array.from({ length: MANY }, newCode)
      const person = { organizationId: organization.id, personId }
      await tx.deleteFrom('recoveryCode').where('personId', '=', personId).execute()
      await tx
        .insertInto('recoveryCode')
        .values(codes.map(code => ({ ...person, hash: hashOf(personId, code) })))
        .execute()
      return codes
    },
    take: ({ id, organization }, code, now) =>
      store.write(async tx => {
        const { numDeletedRows } = await tx
          .deleteFrom('recoveryCode')
          .where('personId', '=', id)
          .where('hash', '=', hashOf(id, code))
          .executeTakeFirstOrThrow()
        if (numDeletedRows === 0n) return false
        const event = { organization: organization.id, type: 'person.recovery_code_used' }
        await record(
          tx,
          { ...event, actor: id, target: id, detail: { left: await countRecoveryCodes(tx, id) } },
          now,
        )
        return true
      }),
  }
}

/** Four groups of four letters and digits that nobody takes for one another. */
function newCode(): string {
  const most = 256 - (256 % ALPHABET.length)
  let code = ''
  while (code.length < LENGTH) {
    const [byte = 255] = randomBytes(1)
    if (byte < most) code += ALPHABET[byte % ALPHABET.length]
  }
  return code.replaceAll(/(.{4})(?=.)/g, '$1-')
}
