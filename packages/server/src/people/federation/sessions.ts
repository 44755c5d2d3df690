import { isoTime } from '@valetkey/sdk/core'
import { asOneChange, type Context, type ProviderRow, revokeGrant } from '../../directory/index.ts'
import { type Db, hashSecret, type Store, type Tx } from '../../store/index.ts'
import type { Said } from './said.ts'

/** As long as anything may last that somebody consented to in a session, and a day. */
const KEPT_MS = 31 * 24 * 60 * 60_000

/** So long a sign-out is remembered for who is still on the way in: longer than a second factor may take. */
const REMEMBERED_MS = 15 * 60_000

const placeOf = (session: string) => `federated-session:${session}`

/** At which provider a session began, for whom, and what ends it there. */
export interface SaidOfSession extends Pick<Said, 'signOutName' | 'sid' | 'logout'> {
  organization: string
  provider: string
  person: string
  /** When the provider said it, in milliseconds since 1970. */
  saidAt: number
}

/**
 * Notes at which provider a session began, and forgets those whose time is over. One that was signed out there while
 * the person was still on the way in is over from the start.
 */
export async function noteSession(
  store: Store,
  session: string,
  { organization, provider, person, signOutName, sid, logout, saidAt }: SaidOfSession,
  now: number,
): Promise<void> {
  await store.write(async tx => {
    const isOver = await wasSignedOut(tx, provider, { subject: signOutName, sid }, saidAt)
    await tx.deleteFrom('federatedSession').where('expiresAt', '<=', now).execute()
    await tx
      .insertInto('federatedSession')
      .values({
        ...{ sessionId: session, organizationId: organization, providerId: provider },
        ...{ personId: person, subject: signOutName, sid },
        sealedLogout: store.secrets.seal(logout, placeOf(session)),
        // When it began there: a person may take minutes to show a second factor here.
        ...{ createdAt: isoTime(saidAt), endedAt: isOver ? isoTime(now) : null, expiresAt: now + KEPT_MS },
      })
      .execute()
  })
}

/** Under what a sign-out is remembered: one session's, or all of a subject's. */
function markOf(provider: string, name: { subject: string } | { sid: string }): string {
  return hashSecret(`signed-out:${provider}:${JSON.stringify(name)}`)
}

async function rememberSignOut(tx: Tx, provider: string, { subject, sid }: SignedOut, now: number) {
  if (sid === undefined && subject === undefined) return
  const id = markOf(provider, sid === undefined ? { subject: subject ?? '' } : { sid })
  const expiresAt = now + REMEMBERED_MS
  await tx
    .insertInto('replay')
    .values({ id, expiresAt })
    // What is told late of an earlier moment takes back nothing of what was told since.
    .onConflict(conflict =>
      conflict.column('id').doUpdateSet({ expiresAt }).where('replay.expiresAt', '<', expiresAt),
    )
    .execute()
}

async function wasSignedOut(
  tx: Tx,
  provider: string,
  { subject, sid }: { subject: string; sid: string | null },
  saidAt: number,
): Promise<boolean> {
  const marks = [markOf(provider, { subject }), ...(sid === null ? [] : [markOf(provider, { sid })])]
  const since = await tx
    .selectFrom('replay')
    .select('id')
    .where('id', 'in', marks)
    .where('expiresAt', '>=', saidAt + REMEMBERED_MS)
    .executeTakeFirst()
  return since !== undefined
}

/** A session that takes the place of one that began at a provider began there too, and then: what ends the one ends the other. */
export async function copySession(store: Store, from: string, to: string, now: number): Promise<void> {
  const row = await store.db
    .selectFrom('federatedSession')
    .selectAll()
    .where('sessionId', '=', from)
    .where('endedAt', 'is', null)
    .executeTakeFirst()
  if (!row) return
  const logout = store.secrets.open(row.sealedLogout, placeOf(from))
  const { organizationId: organization, providerId: provider, personId: person, subject, sid } = row
  const saidAt = Date.parse(row.createdAt)
  const said = { organization, provider, person, signOutName: subject, sid, logout, saidAt }
  await noteSession(store, to, said, now)
}

/** The provider of a session that began there and is still good, with what ends it there; undefined for any other. */
export async function findFederated(
  store: Store,
  session: string,
): Promise<{ provider: ProviderRow; logout: string } | undefined> {
  const found = await store.db
    .selectFrom('federatedSession')
    .innerJoin('identityProvider', 'identityProvider.id', 'federatedSession.providerId')
    .selectAll('identityProvider')
    .select('sealedLogout')
    .where('sessionId', '=', session)
    .where('endedAt', 'is', null)
    .where('identityProvider.status', '=', 'active')
    .executeTakeFirst()
  if (!found) return undefined
  const { sealedLogout, ...provider } = found
  return { provider, logout: store.secrets.open(sealedLogout, placeOf(session)) }
}

/** Whether a session that began at a provider is still good: not ended from there, and the provider not disabled. */
export async function isLiveThere(db: Db, session: string): Promise<boolean> {
  const found = await db
    .selectFrom('federatedSession')
    .innerJoin('identityProvider', 'identityProvider.id', 'federatedSession.providerId')
    .select('sessionId')
    .where('sessionId', '=', session)
    .where('endedAt', 'is', null)
    .where('identityProvider.status', '=', 'active')
    .executeTakeFirst()
  return found !== undefined
}

/** Whether a session was ended from the provider where it began; one that began here never is. */
export async function wasEndedThere(db: Db, session: string): Promise<boolean> {
  const found = await db
    .selectFrom('federatedSession')
    .select('sessionId')
    .where('sessionId', '=', session)
    .where('endedAt', 'is not', null)
    .executeTakeFirst()
  return found !== undefined
}

/** Whose sign-out it is: a subject's, in all its sessions, or one session alone. */
export interface SignedOut {
  subject: string | undefined
  sid: string | undefined
}

/**
 * Ends what a sign-out at the provider is about: the sessions that began there and, unless the provider is set
 * otherwise, what was consented to: in those sessions where one is named, by that person where it is the person's.
 */
export async function endFromProvider(
  ctx: Context,
  provider: ProviderRow,
  { subject, sid }: SignedOut,
): Promise<{ sessions: number; grants: number }> {
  return asOneChange(ctx, [provider.organizationId], async ctx => {
    const { db } = ctx.store
    await ctx.store.write(tx => rememberSignOut(tx, provider.id, { subject, sid }, ctx.now()))
    let query = ending(ctx, provider, sid)
    if (subject !== undefined) query = query.where('subject', '=', subject)
    const ended = await query.execute()
    if (provider.revokesOnLogout === 0) return { sessions: ended.length, grants: 0 }
    const isOfSubject = sid === undefined && subject !== undefined
    const grants = isOfSubject ? await consentsOf(db, { provider, subject }) : await consentsIn(db, ended)
    return takeBack(ctx, provider, { ended, grants })
  })
}

/** Clocks of a provider and of this node may differ by so much. */
const BETWEEN_CLOCKS_MS = 60_000

/**
 * Ends what a person began at a provider until some moment, all of it or one session there, and what the person
 * consented to until then. What came later stays: an old word about a session says nothing about a new one.
 */
export async function endAtProvider(
  ctx: Context,
  provider: ProviderRow,
  { person, sid, before }: { person: string; sid: string | undefined; before: number },
): Promise<{ sessions: number; grants: number }> {
  const until = isoTime(before + BETWEEN_CLOCKS_MS)
  return asOneChange(ctx, [provider.organizationId], async ctx => {
    const { db } = ctx.store
    const ended = await ending(ctx, provider, sid)
      .where('personId', '=', person)
      .where('createdAt', '<=', until)
      .execute()
    const subjects = sid === undefined ? [...new Set(ended.map(row => row.subject))] : [undefined]
    await ctx.store.write(async tx => {
      for (const subject of subjects) await rememberSignOut(tx, provider.id, { subject, sid }, before)
    })
    const grants =
      sid === undefined
        ? await liveConsents(db).where('personId', '=', person).where('createdAt', '<=', until).execute()
        : await consentsIn(db, ended)
    return takeBack(ctx, provider, { ended, grants })
  })
}

/** Ends sessions that began at a provider, all or those of one name there; one that has ended keeps its time. */
function ending({ store, now }: Context, { id }: ProviderRow, sid: string | undefined) {
  return store.db
    .updateTable('federatedSession')
    .set(eb => ({ endedAt: eb.fn.coalesce('endedAt', eb.val(isoTime(now()))) }))
    .where('providerId', '=', id)
    .$if(sid !== undefined, query => query.where('sid', '=', sid ?? ''))
    .returning(['sessionId', 'subject'])
}

/** Takes back what was consented to, and counts what has ended. */
async function takeBack(
  ctx: Context,
  { organizationId: organization }: ProviderRow,
  { ended, grants }: { ended: readonly unknown[]; grants: readonly { id: string }[] },
): Promise<{ sessions: number; grants: number }> {
  for (const { id } of grants) await revokeGrant(ctx, { id, organization })
  return { sessions: ended.length, grants: grants.length }
}

function liveConsents(db: Db) {
  return db
    .selectFrom('grant')
    .select('grant.id')
    .where('revokedAt', 'is', null)
    .where('source', '=', 'consent')
    .orderBy('grant.id')
}

async function consentsIn(db: Db, sessions: readonly { sessionId: string }[]) {
  if (sessions.length === 0) return []
  const ids = sessions.map(({ sessionId }) => sessionId)
  return liveConsents(db)
    .innerJoin('federatedGrant', 'federatedGrant.grantId', 'grant.id')
    .where('sessionId', 'in', ids)
    .execute()
}

/** Of whoever has signed in as that subject, or is linked with it. */
function consentsOf(db: Db, { provider, subject }: { provider: ProviderRow; subject: string }) {
  const people = (table: 'identityLink' | 'federatedSession') =>
    db
      .selectFrom(table)
      .select('personId')
      .where('providerId', '=', provider.id)
      .where('subject', '=', subject)
  return liveConsents(db)
    .where(eb =>
      eb.or([eb('personId', 'in', people('identityLink')), eb('personId', 'in', people('federatedSession'))]),
    )
    .execute()
}

/** Notes in which session somebody consented, where that one began at a provider: it may be ended from there. */
export async function noteConsent({ store }: Context, session: string, grant: string): Promise<void> {
  const known = store.db.selectFrom('federatedSession').select('sessionId').where('sessionId', '=', session)
  if (!(await known.executeTakeFirst())) return
  await store.db
    .insertInto('federatedGrant')
    .values({ sessionId: session, grantId: grant })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}
