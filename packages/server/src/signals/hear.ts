import { isoTime } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import {
  asOneChange,
  type Context,
  oidcSettings,
  type ProviderRow,
  samlSettings,
} from '../directory/index.ts'
import { endAtProvider, type RemoteKeys } from '../people/index.ts'
import { type Db, hashSecret, type Store } from '../store/index.ts'
import { caepName } from './event.ts'
import { type Heard, readSecurityEvent, type SubjectId } from './security-event.ts'
import type { SourceRow } from './sources.ts'

/** What names an event is remembered for longer than any transmitter tries. */
const REMEMBERED_MS = 30 * 24 * 60 * 60_000

/** What an event was about and came to. */
interface Outcome {
  event: string
  outcome: 'ended' | 'nobody_here' | 'not_acted_on'
  person?: string
  sessions?: number
  grants?: number
}

/**
 * Takes an event of an identity provider: what it says has ended there ends here, for whom that provider has let in, in one
 * transaction with the mark that it was taken. An event that comes again changes nothing.
 */
export async function hear(
  { store, now, keysAt }: { store: Store; now(): number; keysAt: RemoteKeys },
  { source, provider }: { source: SourceRow; provider: ProviderRow },
  token: string,
): Promise<void> {
  const heard = await readSecurityEvent(source, token, { now: now(), keysAt })
  const actor = { id: provider.id, name: provider.name, permissions: [] }
  await asOneChange({ store, now, actor }, [source.organizationId], async ctx => {
    if (!(await isFirst(ctx, source, heard))) return
    const detail = await act(ctx, { source, provider }, heard)
    await ctx.store.write(async tx => {
      const values = { lastHeardAt: isoTime(now()), lastFault: null }
      await tx.updateTable('signalSource').set(values).where('id', '=', source.id).execute()
      const event = { organization: source.organizationId, type: 'signal.heard', actor: provider.id }
      await record(
        tx,
        { ...event, target: detail.person ?? source.id, detail: { ...detail, jti: heard.jti } },
        now(),
      )
    })
  })
}

async function isFirst(ctx: Context, source: SourceRow, { jti }: Heard): Promise<boolean> {
  const row = { id: hashSecret(`signal:${source.id}:${jti}`), expiresAt: ctx.now() + REMEMBERED_MS }
  const first = await ctx.store.db
    .insertInto('replay')
    .values(row)
    .onConflict(conflict => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return first !== undefined
}

async function act(
  ctx: Context,
  { source, provider }: { source: SourceRow; provider: ProviderRow },
  { type, subject, payload, at }: Heard,
): Promise<Outcome> {
  const name = caepName(type)
  const event = name ?? 'unknown'
  const isNew = name === 'credential-change' && payload['change_type'] === 'create'
  // A further way to sign in takes nothing away from anybody.
  if ((name !== 'session-revoked' && name !== 'credential-change') || isNew)
    return { event, outcome: 'not_acted_on' }
  const whose = await findWhose(ctx.store.db, source, provider, subject)
  if (!whose) return { event, outcome: 'nobody_here' }
  const ended = await endAtProvider(ctx, provider, { ...whose, before: at })
  return { event, outcome: 'ended', person: whose.person, ...ended }
}

/** Whom a subject means: a person whom this provider has let in, in one session or in all. */
async function findWhose(
  db: Db,
  source: SourceRow,
  provider: ProviderRow,
  subject: SubjectId,
): Promise<{ person: string; sid: string | undefined } | undefined> {
  if (subject.format === 'complex') {
    const [user, session] = [memberOf(subject, 'user'), memberOf(subject, 'session')]
    const sid = session && textOf(session, 'id')
    if (session && sid === undefined) return undefined
    const person = user
      ? await findPerson(db, source, provider, user)
      : sid !== undefined && (await findBySession(db, provider, sid))
    return person ? { person, sid } : undefined
  }
  const person = await findPerson(db, source, provider, subject)
  return person === undefined ? undefined : { person, sid: undefined }
}

async function findPerson(
  db: Db,
  source: SourceRow,
  provider: ProviderRow,
  subject: SubjectId,
): Promise<string | undefined> {
  const links = db
    .selectFrom('identityLink')
    .innerJoin('principal', 'principal.id', 'identityLink.personId')
    .select('identityLink.personId as id')
    .where('identityLink.providerId', '=', provider.id)
  switch (subject.format) {
    case 'iss_sub': {
      const [iss, sub] = [textOf(subject, 'iss'), textOf(subject, 'sub')]
      const isOwn = iss === source.issuer || iss === authorityOf(provider)
      if (!isOwn || sub === undefined) return undefined
      return (await links.where('identityLink.subject', '=', sub).executeTakeFirst())?.id
    }
    case 'email': {
      const email = textOf(subject, 'email')?.toLowerCase()
      if (email === undefined) return undefined
      return (await links.where('principal.externalId', '=', email).executeTakeFirst())?.id
    }
    case 'aliases': {
      const identifiers = Array.isArray(subject['identifiers']) ? subject['identifiers'].slice(0, 20) : []
      for (const one of identifiers.filter(isSubject)) {
        const found = one.format === 'aliases' ? undefined : await findPerson(db, source, provider, one)
        if (found !== undefined) return found
      }
      return undefined
    }
    default:
      return undefined
  }
}

async function findBySession(db: Db, provider: ProviderRow, sid: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('federatedSession')
    .select('personId')
    .where('providerId', '=', provider.id)
    .where('sid', '=', sid)
    .executeTakeFirst()
  return row?.personId
}

/** What a provider is called in its own assertions. */
function authorityOf(provider: ProviderRow): string {
  return provider.kind === 'oidc' ? oidcSettings(provider).issuer : samlSettings(provider).entityId
}

function memberOf(subject: SubjectId, name: string): SubjectId | undefined {
  const member = subject[name]
  return isSubject(member) ? member : undefined
}

function isSubject(value: unknown): value is SubjectId {
  return typeof value === 'object' && value !== null && typeof (value as SubjectId).format === 'string'
}

function textOf(subject: SubjectId, name: string): string | undefined {
  const value = subject[name]
  return typeof value === 'string' && value.length <= 512 ? value : undefined
}
