import { AppError, CATALOGUE } from '@valetkey/sdk/core'
import { createSnapshot, type OrganizationView, type Snapshot } from '@valetkey/sdk/engine'
import type { Db, Store } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { getOrganization } from '../reference.ts'
import { catchUp, reload } from './catch-up.ts'
import { formatRevisionToken, parseRevisionToken, unknownRevision } from './revision-token.ts'

export type OrganizationKey = Pick<Row<'organization'>, 'id' | 'seq' | 'slug'>

/** What a question is answered on: one revision of the organization and of the catalogue, until the next `await`. */
export interface Standing {
  organization: OrganizationKey
  snapshot: Snapshot
  view: OrganizationView
  /** The token of this moment. */
  revision: string
  /** The question asks for more than there is: it has to be refused. */
  isStale: boolean
}

export interface Wanted {
  organization?: string | undefined
  /** `strong`, `local`, or the revision token that the answer must be as new as. */
  consistency?: string | undefined
  /** Instead: the revisions that it must be as new as, where they were read a moment ago. */
  since?: { revision: number; catalogue: number } | undefined
}

/** The facts of one database in memory: the catalogue, and the organizations that were asked about last. */
interface LiveIndex {
  snapshot: Snapshot
  budgetBytes: number
  /** What is held, the longest unused first, and by how many questions it is in use. */
  users: Map<string, number>
  /** One reader for an organization at a time; everyone else waits for it. */
  readers: Map<string, Promise<void>>
  organizations: Map<string, OrganizationKey>
  hasGrown: boolean
}

const DEFAULT_BUDGET_BYTES = 512 * 1024 * 1024
/** A database that goes back while it is read could otherwise be read for ever. */
const MOST_READS = 3
const indexes = new WeakMap<Db, LiveIndex>()

function indexOf(db: Db): LiveIndex {
  const known = indexes.get(db)
  if (known) return known
  const index: LiveIndex = {
    snapshot: createSnapshot(),
    budgetBytes: DEFAULT_BUDGET_BYTES,
    users: new Map(),
    readers: new Map(),
    organizations: new Map(),
    hasGrown: false,
  }
  indexes.set(db, index)
  return index
}

/** Sets how much memory the organizations of a database may take here; those unused for longest make room. */
export function limitIndex(store: Store, budgetBytes: number): void {
  const index = indexOf(store.db)
  index.budgetBytes = budgetBytes
  makeRoom(index)
}

/** Which organizations are held in memory now, and about how much of it they take. */
export function describeIndex(store: Store): { organizations: string[]; bytes: number } {
  const { snapshot, users } = indexOf(store.db)
  const organizations = [...users.keys()]
  return { organizations, bytes: sum(organizations.map(id => snapshot.bytesOf(id))) }
}

/**
 * Hands over the facts of an organization, as new as the question wants them. They are read from the change log where
 * they are behind, and loaded where nobody has asked for a while. They stay while `work` runs.
 */
export async function withIndex<T>(
  ctx: Context,
  wanted: Wanted,
  work: (standing: Standing) => T | Promise<T>,
): Promise<T> {
  const index = indexOf(ctx.store.db)
  const organization = await findOrganization(ctx, index, wanted)
  const { id } = organization
  hold(index, id)
  try {
    const { since, consistency = 'strong' } = wanted
    const isUp = since ? bringSince(ctx, index, id, since) : bringUp(ctx, index, organization, consistency)
    const isStale = !(await isUp)
    return await work({
      organization,
      snapshot: index.snapshot,
      // Looked up when it is asked for: what is loaded anew stands in another object.
      get view() {
        const view = index.snapshot.organization(id)
        if (!view) throw new Error(`organization ${id} is in use and not held`)
        return view
      },
      get revision() {
        return tokenOf(index.snapshot, organization)
      },
      isStale,
    })
  } finally {
    release(index, id)
  }
}

function tokenOf(snapshot: Snapshot, { id, seq }: OrganizationKey): string {
  const revision = snapshot.revisionOf(id) ?? 0
  return formatRevisionToken({ organization: seq, revision, catalogue: snapshot.catalogue.revision })
}

/** Organizations keep their names, so those that are known need no look at the database. */
async function findOrganization(
  ctx: Context,
  index: LiveIndex,
  { organization: ref }: Wanted,
): Promise<OrganizationKey> {
  const known = ref === undefined ? undefined : index.organizations.get(ref)
  if (known) return known
  const { id, seq, slug } = await getOrganization(ctx.store.db, ref)
  const found = { id, seq, slug }
  index.organizations.set(id, found).set(slug, found)
  return found
}

/** Reads what is missing. False where what is asked for does not exist here (yet). */
async function bringUp(
  ctx: Context,
  index: LiveIndex,
  organization: OrganizationKey,
  consistency: string,
): Promise<boolean> {
  const { id, seq } = organization
  if (consistency === 'strong') return bringToHeads(ctx, index, id)
  await bringTo(ctx, index, CATALOGUE, 0)
  await bringTo(ctx, index, id, 0)
  if (consistency === 'local') return true
  const token = parseRevisionToken(consistency)
  if (token.organization !== seq && token.organization !== 0)
    throw unknownRevision('This revision token is not one of this organization.')
  const isOfCatalogue = token.organization === 0
  const catalogue = await bringTo(ctx, index, CATALOGUE, token.catalogue)
  return (await bringTo(ctx, index, id, isOfCatalogue ? 0 : token.revision)) && catalogue
}

async function bringSince(
  ctx: Context,
  index: LiveIndex,
  id: string,
  { revision, catalogue }: NonNullable<Wanted['since']>,
): Promise<boolean> {
  return (await bringTo(ctx, index, CATALOGUE, catalogue)) && bringTo(ctx, index, id, revision)
}

/** What was committed before this is called is held when it resolves. */
async function bringToHeads(ctx: Context, index: LiveIndex, id: string): Promise<boolean> {
  const { snapshot } = index
  const before = new Map([CATALOGUE, id].map(part => [part, snapshot.revisionOf(part) ?? -1]))
  const heads = await ctx.store.db
    .selectFrom('organization')
    .select(['id', 'revision'])
    .where('id', 'in', [CATALOGUE, id])
    .execute()
  if (!heads.some(head => head.id === id)) {
    for (const [ref, known] of index.organizations) if (known.id === id) index.organizations.delete(ref)
    throw new AppError('not_found', `There is no organization ${id} any more.`)
  }
  let isThere = true
  for (const { id: part, revision } of heads) {
    // The database has gone back: it was restored, and what is held of later days never was.
    if ((before.get(part) ?? -1) > revision) await read(ctx, index, part, reload)
    if (!(await bringTo(ctx, index, part, revision))) isThere = false
  }
  return isThere
}

/** Whether an organization (or the catalogue) is held at this revision or a later one, after reading on if need be. */
async function bringTo(ctx: Context, index: LiveIndex, id: string, revision: number): Promise<boolean> {
  const isBehind = () => (index.snapshot.revisionOf(id) ?? -1) < revision
  for (let reads = 0; isBehind() && reads < MOST_READS; reads++)
    await (index.readers.get(id) ?? read(ctx, index, id, catchUp))
  return !isBehind()
}

function read(ctx: Context, index: LiveIndex, id: string, how: typeof catchUp): Promise<void> {
  const reading = how(index.snapshot, ctx.store.db, id, ctx.now()).finally(() => {
    index.readers.delete(id)
    index.hasGrown = true
  })
  index.readers.set(id, reading)
  return reading
}

/** Puts it behind all others that may have to make room. */
function hold(index: LiveIndex, id: string): void {
  const users = index.users.get(id) ?? 0
  index.users.delete(id)
  index.users.set(id, users + 1)
}

function release(index: LiveIndex, id: string): void {
  index.users.set(id, (index.users.get(id) ?? 1) - 1)
  if (index.hasGrown) makeRoom(index)
}

function makeRoom(index: LiveIndex): void {
  const { snapshot, users, budgetBytes } = index
  index.hasGrown = false
  let bytes = sum([...users.keys()].map(id => snapshot.bytesOf(id)))
  for (const [id, inUse] of users) {
    if (bytes <= budgetBytes) return
    if (inUse > 0) {
      index.hasGrown = true
      continue
    }
    bytes -= snapshot.bytesOf(id)
    snapshot.drop(id)
    users.delete(id)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
