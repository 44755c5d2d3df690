import {
  type AttemptRecord,
  CATALOGUE,
  CatalogueChange,
  type JsonObject,
  OrganizationChange,
  type OrganizationOp,
  type ResourceRow,
  ROOT_RESOURCE,
} from '@valetkey/sdk/core'
import { type Caller, createSnapshot, decide, parseRef, type Snapshot } from '@valetkey/sdk/engine'
import type { Db } from '../store/index.ts'
import { explain } from './check.ts'
import type { Context } from './context.ts'
import type { OutputOf } from './operation.ts'

type Rebuilt = OutputOf<'decisions', 'rebuild'>
/** What has to be known of a recorded call. */
export type Recorded = Omit<AttemptRecord, 'type' | 'v'> & { isErased: boolean }

/** Refused before anybody asked the policy, or for something that is no part of it. */
const NOT_BY_POLICY: ReadonlySet<string> = new Set([
  'stale',
  'audit_unavailable',
  'unidentified',
  'token_missing',
  'token_invalid',
])

/**
 * Decides a recorded call once more, by the very function that decided it, on the facts of the revisions that the record
 * names. Where the answer is another one than the record says, either the record or the history was changed, or what the
 * call was decided on is not on record in full; the note says which can be the case.
 */
export async function rebuildDecision(ctx: Context, call: Recorded): Promise<Rebuilt> {
  const { organization, agent, decision, reason } = call
  const none = (note: string): Rebuilt => ({ explanation: null, agrees: null, note })
  if (organization === null || agent === null || call.kind === null)
    return none('Nobody was identified, so there was nothing to decide.')
  if (NOT_BY_POLICY.has(reason)) return none(`It was refused before the policy was asked: ${reason}.`)
  const snapshot = await snapshotAt(ctx.store.db, call, organization)
  if (!snapshot) return none('The changes up to that moment are not all kept.')
  const { credential, client, token, scopes, person, grant, chain, kind, tool, method } = call
  const now = Date.parse(call.at)
  const caller: Caller = {
    ...{
      organization,
      agent,
      credential: credential ?? '',
      client: client ?? '',
      token: token ?? '',
      scopes,
    },
    ...{ expiresAt: now + 1, isBound: true, person, grant, chain },
    ...(call.forwarded && { forwarded: call.forwarded }),
  }
  const action = {
    ...{ kind, name: tool ?? method, definition: call.definition },
    arguments: isObject(call.arguments) ? call.arguments : {},
  }
  const request = { id: call.id, now, server: call.server, caller, action }
  const again = decide(request, snapshot, true)
  const agrees = again.decision === decision && again.reason === reason
  const name = call.agentName ?? agent
  return { explanation: explain(again, name, true), agrees, note: agrees ? null : noteOn(call) }
}

function noteOn({ isErased, arguments: args }: Recorded): string {
  if (isErased) return 'The arguments of the call were erased, so it cannot be decided as it was.'
  if (JSON.stringify(args).includes('[redacted]'))
    return 'Some arguments were redacted before they were recorded, and the policy may have looked at them.'
  return 'The token may have been limited to details that are not on record. If it was not, the record or the history was changed.'
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The facts as they were at the revisions that a record names; undefined where their history is not whole. */
async function snapshotAt(db: Db, call: Recorded, organization: string): Promise<Snapshot | undefined> {
  const { revision } = call
  const catalogue = await opsUpTo(db, CATALOGUE, revision.catalogue)
  const own = await opsUpTo(db, organization, revision.organization)
  if (!catalogue || !own) return undefined
  const snapshot = createSnapshot()
  snapshot.load(
    CatalogueChange.parse({ organization: CATALOGUE, revision: revision.catalogue, ops: catalogue }),
  )
  // Resources first: what was given on them comes with the changes.
  const ops = [...(await pathOps(db, call, organization)), ...own]
  snapshot.load(OrganizationChange.parse({ organization, revision: revision.organization, ops }))
  return snapshot
}

interface Op {
  fact: string
  id: string
  value: unknown
}

/** All changes of an organization up to a revision, oldest first. */
async function opsUpTo(db: Db, organization: string, revision: number): Promise<Op[] | undefined> {
  const head = await db
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', organization)
    .executeTakeFirst()
  if (!head || revision < 0 || revision > head.revision) return undefined
  const columns = ['revision', 'ord', 'fact', 'factId', 'value'] as const
  const read = (table: 'changeHistory' | 'changeLog') =>
    db
      .selectFrom(table)
      .select(columns)
      .where('organizationId', '=', organization)
      .where('revision', '<=', revision)
      .orderBy('revision')
      .orderBy('ord')
      .execute()
  const rows = [...(await read('changeHistory')), ...(await read('changeLog'))]
  if (revision > 0 && rows.length === 0) return undefined
  return rows.map(({ fact, factId, value }) => ({
    ...{ fact, id: factId },
    value: value === null ? null : JSON.parse(value),
  }))
}

/** The resources of the call as they lay then, from the organization's own down, by their numbers. */
async function pathOps(db: Db, call: Recorded, organization: string): Promise<OrganizationOp[]> {
  const rows = db
    .selectFrom('resource')
    .innerJoin('resourceType', 'resourceType.id', 'resource.typeId')
    .where('resource.organizationId', '=', organization)
    .select(['resource.seq', 'resource.typeId', 'resource.externalId', 'resource.createdRevision'])
  const root = await rows.where('resource.seq', '=', ROOT_RESOURCE).executeTakeFirst()
  if (!root) return []
  const ops: OrganizationOp[] = []
  const put = (typeId: string, row: ResourceRow) =>
    ops.push({ fact: 'resource', id: String(row[0]), value: { type: typeId, rows: [row] } })
  put(root.typeId, [root.seq, root.externalId, null])
  for (const path of [call.resource, ...(call.otherResources ?? [])]) {
    let parent = root.seq
    for (const ref of path?.match(/[^/]+\/[^/]+/g) ?? []) {
      const { type, id } = parseRef(ref) ?? { type: '', id: '' }
      // A name may have been given anew: the one that was there then is the newest that is not younger.
      const step = await rows
        .where('resourceType.slug', '=', type)
        .where('resource.externalId', '=', id)
        .where('resource.createdRevision', '<=', call.revision.organization)
        .orderBy('resource.seq', 'desc')
        .executeTakeFirst()
      if (!step) break
      put(step.typeId, [step.seq, step.externalId, parent])
      parent = step.seq
    }
  }
  return ops
}
