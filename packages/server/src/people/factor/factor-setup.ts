import { record } from '../../audit/index.ts'
import { endSessions, holdSessions } from '../../directory/index.ts'
import type { Store, Tx } from '../../store/index.ts'
import type { Person } from '../account/person.ts'
import type { Form } from '../form.ts'
import { countRecoveryCodes, type Factor, listFactors } from './factors.ts'
import { insertPasskey, type Passkeys } from './passkeys.ts'
import type { RecoveryCodes } from './recovery-codes.ts'
import { insertTotp, newTotpSecret, stepOf, totpAddress } from './totp.ts'

/** A factor that was set up, with the recovery codes that came with the first one; or why it was not. */
export type SetUp = { codes: string[] } | 'wrong' | 'exists' | 'many'

/** What a page shows to set up an authenticator app: the secret, and sealed what its form brings back. */
export interface AppOffer {
  secret: string
  sealed: string
  /** What the app reads from the picture. */
  address: string
}

/** What one person may have; the account page shows all of them. */
const MOST_FACTORS = 10

export type FactorSetup = ReturnType<typeof createFactorSetup>

/** Sets up what a person signs in by beside a password. Whatever is set up ends all sessions that there were before. */
export function createFactorSetup(options: {
  store: Store
  passkeys: Passkeys | undefined
  recoveryCodes: RecoveryCodes
  now(): number
}) {
  const { store, passkeys, recoveryCodes, now } = options

  function keep(
    person: Person,
    { kind, label }: Pick<Factor, 'kind' | 'label'>,
    insert: (tx: Tx) => Promise<string | undefined>,
  ): Promise<SetUp> {
    return store.write(async tx => {
      // Of two that come at once, or after a change that was not seen here, none slips in.
      if (!(await holdSessions(tx, person))) return 'exists'
      if ((await listFactors(tx, person.id)).length >= MOST_FACTORS) return 'many'
      const factor = await insert(tx)
      if (factor === undefined) return 'exists'
      await endSessions(tx, person.id)
      const codes =
        (await countRecoveryCodes(tx, person.id)) === 0 ? await recoveryCodes.renew(tx, person) : []
      const event = { organization: person.organization.id, type: 'person.factor_added', actor: person.id }
      await record(tx, { ...event, target: person.id, detail: { kind, factor, label } }, now())
      return { codes }
    })
  }

  return {
    offerApp(person: Person): AppOffer {
      const secret = newTotpSecret()
      return {
        secret,
        sealed: store.secrets.seal(secret, `totp-offer:${person.id}`),
        address: totpAddress(secret, person),
      }
    },
    /** The same offer once more, after a wrong code; undefined where it is none of ours for this person. */
    readOffer(person: Person, form: Form): AppOffer | undefined {
      try {
        const sealed = form.one('secret')
        const secret = store.secrets.open(sealed, `totp-offer:${person.id}`)
        return { secret, sealed, address: totpAddress(secret, person) }
      } catch {
        return undefined
      }
    },
    async addApp(person: Person, offer: AppOffer, code: string): Promise<SetUp> {
      const step = await stepOf(offer.secret, code, now())
      if (step === undefined) return 'wrong'
      const app = { secret: offer.secret, step, now: now() }
      return keep(person, { kind: 'totp', label: '' }, tx => insertTotp(tx, store, person, app))
    },
    /** `first` is done with it or not at all: where it gives false, somebody was faster. */
    async addPasskey(
      person: Person,
      form: Form,
      first: (tx: Tx) => Promise<boolean> = async () => true,
    ): Promise<SetUp> {
      const answer = { credential: form.one('credential'), challenge: form.one('challenge') }
      const passkey = await passkeys?.takeNew(person, answer)
      if (!passkey) return 'wrong'
      const label = form.one('label').replaceAll(/\p{C}/gu, '').trim().slice(0, 64)
      return keep(person, { kind: 'passkey', label }, async tx =>
        (await first(tx)) ? insertPasskey(tx, person, { ...passkey, label }, now()) : undefined,
      )
    },
  }
}
