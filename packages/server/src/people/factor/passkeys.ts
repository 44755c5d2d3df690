import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server'
import { isoTime, newId } from '@valetkey/sdk/core'
import * as z from 'zod'
import { record } from '../../audit/index.ts'
import type { Db, Store, Tx } from '../../store/index.ts'
import type { Person } from '../account/person.ts'

/** What a page asks the browser for, and what its form brings back so that the answer can be checked. */
export interface PasskeyRequest {
  /** JSON, as `parseRequestOptionsFromJSON` or `parseCreationOptionsFromJSON` of the browser read it. */
  options: string
  challenge: string
}

/** The answer of a browser, and the challenge that its form carried. */
interface PasskeyAnswer {
  credential: string
  challenge: string
}

/** Signing in by WebAuthn. Whoever holds the device must also have unlocked it, so that a passkey is two factors in one. */
export interface Passkeys {
  /** Asks for any passkey of this site, or for one of a person's. */
  ask(purpose: string, person?: string): Promise<PasskeyRequest>
  /** Asks for a new one of this person's. */
  askNew(person: Person): Promise<PasskeyRequest>
  /** The person whose passkey answered; undefined where it is not right, or was answered before. */
  take(purpose: string, answer: PasskeyAnswer): Promise<string | undefined>
  /** What is to be kept of a new passkey of a person; undefined where it is not right. */
  takeNew(person: Person, answer: PasskeyAnswer): Promise<NewPasskey | undefined>
}

/** The public part of a passkey. */
export type NewPasskey = Pick<PasskeyRow, 'credentialId' | 'publicKey' | 'counter'>

interface PasskeyOptions {
  store: Store
  issuer: string
  now(): number
}

const LIFE_MS = 15 * 60_000

/** Undefined where there can be none: WebAuthn names a site by its host name, never by an address. */
export function openPasskeys({ store, issuer, now }: PasskeyOptions): Passkeys | undefined {
  const { hostname: rpId, origin } = new URL(issuer)
  if (isIP(rpId.replace(/^\[|\]$/g, '')) !== 0) return undefined
  const challenges = createChallenges(store, now)
  const expected = { expectedOrigin: origin, expectedRPID: rpId, requireUserVerification: true }

  return {
    async ask(purpose, person) {
      const { challenge, sealed } = challenges.begin(`get:${purpose}`)
      const allowCredentials = person === undefined ? [] : await listCredentials(store.db, person)
      const options = { challenge, rpId, userVerification: 'required', allowCredentials }
      return { options: JSON.stringify(options), challenge: sealed }
    },
    async askNew({ id, name, email }) {
      const { challenge, sealed } = challenges.begin(`create:${id}`)
      const options = {
        challenge,
        rp: { id: rpId, name: 'Valet Key' },
        user: { id: Buffer.from(id).toString('base64url'), name: email, displayName: name },
        pubKeyCredParams: ALGORITHMS.map(alg => ({ type: 'public-key', alg })),
        authenticatorSelection: {
          residentKey: 'required',
          requireResidentKey: true,
          userVerification: 'required',
        },
        attestation: 'none',
        excludeCredentials: await listCredentials(store.db, id),
      }
      return { options: JSON.stringify(options), challenge: sealed }
    },
    async take(purpose, answer) {
      const expectedChallenge = await challenges.end(`get:${purpose}`, answer.challenge)
      const response = parseAnswer(Assertion, answer.credential) as AuthenticationResponseJSON | undefined
      const row = response && (await findPasskey(store.db, response.id))
      if (!row || expectedChallenge === undefined) return undefined
      // WebAuthn §7.2: a handle that comes with an answer names the owner of the credential.
      const handle = Buffer.from(response.response.userHandle ?? '', 'base64url').toString()
      if (handle !== '' && handle !== row.personId) return undefined
      const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
      const credential = {
        id: row.credentialId,
        publicKey: new Uint8Array(Buffer.from(row.publicKey, 'base64url')),
        // Compared where it is raised, so that of two answers at once one is refused too.
        counter: 0,
      }
      const options = { ...expected, response, expectedChallenge, credential }
      const verified = await verifyAuthenticationResponse(options).catch(() => undefined)
      if (!verified?.verified) return undefined
      const isOriginal = await raiseCounter(store, row, verified.authenticationInfo.newCounter, now())
      return isOriginal ? row.personId : undefined
    },
    async takeNew(person, answer) {
      const expectedChallenge = await challenges.end(`create:${person.id}`, answer.challenge)
      const response = parseAnswer(Attestation, answer.credential) as RegistrationResponseJSON | undefined
      if (!response || expectedChallenge === undefined) return undefined
      const { verifyRegistrationResponse } = await import('@simplewebauthn/server')
      const options = { ...expected, response, expectedChallenge, supportedAlgorithmIDs: ALGORITHMS }
      const verified = await verifyRegistrationResponse(options).catch(() => undefined)
      if (!verified?.verified) return undefined
      const { id, publicKey, counter } = verified.registrationInfo.credential
      return { credentialId: id, publicKey: Buffer.from(publicKey).toString('base64url'), counter }
    },
  }
}

/** ES256, EdDSA, RS256: what authenticators of today have. */
const ALGORITHMS = [-7, -8, -257]

const Base64Url = z.string().regex(/^[\w-]{1,4096}$/)
const Assertion = z.object({
  id: Base64Url,
  rawId: Base64Url,
  type: z.literal('public-key'),
  clientExtensionResults: z.object({}).default({}),
  response: z.object({
    authenticatorData: Base64Url,
    clientDataJSON: Base64Url,
    signature: Base64Url,
    userHandle: Base64Url.nullish().transform(handle => handle ?? undefined),
  }),
})
const Attestation = Assertion.extend({
  response: z.object({
    attestationObject: z.string().regex(/^[\w-]{1,16384}$/),
    clientDataJSON: Base64Url,
  }),
})

function parseAnswer<T extends z.ZodType>(shape: T, text: string): z.output<T> | undefined {
  try {
    return shape.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Challenges travel sealed in the form, so that a GET keeps nothing; once answered, one is never taken again. */
function createChallenges(store: Store, now: () => number) {
  return {
    begin(purpose: string) {
      const challenge = randomBytes(32).toString('base64url')
      const sealed = store.secrets.seal(JSON.stringify([challenge, now() + LIFE_MS]), `passkey:${purpose}`)
      return { challenge, sealed }
    },
    async end(purpose: string, sealed: string): Promise<string | undefined> {
      const [challenge, endsAt] = readChallenge(store, purpose, sealed)
      if (challenge === undefined || endsAt <= now()) return undefined
      const first = await store.write(tx =>
        tx
          .insertInto('replay')
          .values({ id: `passkey:${challenge}`, expiresAt: endsAt })
          .onConflict(conflict => conflict.doNothing())
          .returning('id')
          .executeTakeFirst(),
      )
      return first && challenge
    },
  }
}

const Challenge = z.tuple([z.string(), z.number()])

function readChallenge({ secrets }: Store, purpose: string, sealed: string): [string | undefined, number] {
  try {
    return Challenge.parse(JSON.parse(secrets.open(sealed, `passkey:${purpose}`)))
  } catch {
    return [undefined, 0]
  }
}

async function listCredentials(db: Db, person: string) {
  const rows = await db
    .selectFrom('passkey')
    .select('credentialId')
    .where('personId', '=', person)
    .orderBy('id')
    .execute()
  return rows.map(row => ({ type: 'public-key', id: row.credentialId }))
}

function findPasskey(db: Db, credentialId: string) {
  return db.selectFrom('passkey').selectAll().where('credentialId', '=', credentialId).executeTakeFirst()
}

type PasskeyRow = NonNullable<Awaited<ReturnType<typeof findPasskey>>>

/** A counter that does not go up belongs to a copy, which goes on record; 0 says that the authenticator counts nothing. */
function raiseCounter(store: Store, row: PasskeyRow, counter: number, now: number): Promise<boolean> {
  const { id: factor, organizationId: organization, personId: actor } = row
  return store.write(async tx => {
    const { numUpdatedRows } = await tx
      .updateTable('passkey')
      .set({ counter, lastUsedAt: isoTime(now) })
      .where('id', '=', factor)
      .$if(counter > 0, update => update.where('counter', '<', counter))
      .$if(counter === 0, update => update.where('counter', '=', 0))
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 1n) return true
    const event = { organization, type: 'person.passkey_copied', actor, target: actor }
    await record(tx, { ...event, detail: { factor, counter } }, now)
    return false
  })
}

/** Keeps a passkey; gives its id, or nothing where somebody has it already. */
export async function insertPasskey(
  tx: Tx,
  { id: personId, organization }: Person,
  passkey: NewPasskey & { label: string },
  now: number,
): Promise<string | undefined> {
  const row = await tx
    .insertInto('passkey')
    .values({
      ...{ id: newId('factor', now), organizationId: organization.id, personId, ...passkey },
      ...{ createdAt: isoTime(now), lastUsedAt: null },
    })
    .onConflict(conflict => conflict.column('credentialId').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id
}
