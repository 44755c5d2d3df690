import { AppError, CATALOGUE, type CatalogueOp, ENVIRONMENT, type OrganizationOp } from '@valetkey/sdk/core'
import { beginChange, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { locateDelegation } from '../delegation/index.ts'
import { credentialFact, grantFact, linkFact, toolFact } from '../fact-of.ts'
import { locateGrant } from '../grants/grant-row.ts'
import { byWhom, type InputOf, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { freezeOrganization, thawOrganization } from '../organizations/organizations.ts'
import { resumeAgent, suspendAgent } from '../principals/agents.ts'
import { updatePerson } from '../principals/people.ts'
import { getOrganization, getServer, locatePrincipal } from '../reference.ts'
import { updateServer } from '../servers/servers.ts'
import { asOne, type Done, inCatalogue } from './done.ts'
import { locateTool } from './locate-tool.ts'
import { locateCredential, type WaitForPoints } from './revoke.ts'
import { denyToken, requireTokenId, thawToken } from './token.ts'

type Input = InputOf<'freezes', 'freeze'>
type Freeze = OutputOf<'freezes', 'freeze'>
type Kind = Input['kind']
type Target = Pick<Input, 'organization' | 'reason'> & { id: string }

/** Refuses whatever something does until it is thawed: an agent, a person, a key, a grant, a tool, … or everything. */
export function freeze(ctx: Context, input: Input, waitForPoints: WaitForPoints): Promise<Freeze> {
  return set(ctx, input, true, waitForPoints)
}

/** Lets it be decided on again, by what holds now. What was revoked meanwhile stays revoked. */
export function thaw(ctx: Context, input: Input, waitForPoints: WaitForPoints): Promise<Freeze> {
  return set(ctx, input, false, waitForPoints)
}

async function set(
  ctx: Context,
  { kind, id = '', organization, reason, waitMs }: Input,
  isFrozen: boolean,
  waitForPoints: WaitForPoints,
): Promise<Freeze> {
  if ((kind === 'all') !== (id === ''))
    throw new AppError('request.invalid', 'Name what to freeze, unless it is everything.', { path: 'id' })
  const done = await SET[kind](ctx, { id, organization, reason }, isFrozen)
  const barrier = waitMs > 0 ? await waitForPoints(done.organization, done.revision, waitMs) : null
  return { kind, frozen: isFrozen, ...done, barrier }
}

const SET: Record<Kind, (ctx: Context, target: Target, isFrozen: boolean) => Promise<Done>> = {
  all: setEverything,
  async organization(ctx, { id: ref, reason }, isFrozen) {
    const { id } = await getOrganization(ctx.store.db, ref)
    const operation = isFrozen ? freezeOrganization : thawOrganization
    return asOne(ctx, { id, organization: id }, ctx => operation(ctx, { id, reason }))
  },
  async agent(ctx, { id: ref, organization, reason }, isFrozen) {
    const { id, organizationId } = await locatePrincipal(ctx.store.db, 'agent', ref, organization)
    const operation = isFrozen ? suspendAgent : resumeAgent
    return asOne(ctx, { id, organization: organizationId }, ctx => operation(ctx, { id, reason }))
  },
  async person(ctx, { id: ref, organization, reason }, isFrozen) {
    const { id, organizationId } = await locatePrincipal(ctx.store.db, 'user', ref, organization)
    const status = isFrozen ? 'suspended' : 'active'
    return asOne(ctx, { id, organization: organizationId }, ctx => updatePerson(ctx, { id, status, reason }))
  },
  async server(ctx, { id: ref, reason }, isFrozen) {
    const { id } = await getServer(ctx.store.db, ref)
    const status = isFrozen ? 'frozen' : 'active'
    return asOne(ctx, inCatalogue(id), ctx => updateServer(ctx, { id, status, reason }))
  },
  async token(ctx, target, isFrozen) {
    requireTokenId(target.id)
    return isFrozen ? denyToken(ctx, { ...target, isFrozen }) : thawToken(ctx, target)
  },
  async credential(ctx, { id, organization, reason }, isFrozen) {
    const { organizationId } = await locateCredential(ctx.store.db, { id, organization })
    return flip(
      ctx,
      { kind: 'credential', id, organization: organizationId, reason, isFrozen },
      async (tx, at) => {
        const row = at(await locateCredential(tx, { id }))
        return row && { fact: 'credential', id, value: credentialFact(row) }
      },
    )
  },
  async grant(ctx, { id, organization, reason }, isFrozen) {
    const { organizationId } = await locateGrant(ctx.store.db, { id, organization })
    return flip(
      ctx,
      { kind: 'grant', id, organization: organizationId, reason, isFrozen },
      async (tx, at) => {
        const row = at(await locateGrant(tx, { id }))
        return row && { fact: 'grant', id, value: grantFact(row) }
      },
    )
  },
  async delegation(ctx, { id, organization, reason }, isFrozen) {
    const { organizationId } = await locateDelegation(ctx.store.db, { id, organization })
    return flip(
      ctx,
      { kind: 'delegation', id, organization: organizationId, reason, isFrozen },
      async (tx, at) => {
        const row = at(await locateDelegation(tx, { id }))
        return row && { fact: 'link', id, value: linkFact(row) }
      },
    )
  },
  async tool(ctx, { id: ref, reason }, isFrozen) {
    const { id, permissionId } = await locateTool(ctx.store.db, ref)
    return flip(ctx, { kind: 'tool', id, organization: CATALOGUE, reason, isFrozen }, async (tx, at) => {
      const row = at(await locateTool(tx, id))
      const permissions = tx.selectFrom('permission').select('slug').where('id', '=', permissionId)
      const { slug } = await permissions.executeTakeFirstOrThrow()
      return row && { fact: 'tool', id, value: toolFact(row, slug) }
    })
  },
}

interface Flip extends Omit<Done, 'revision'> {
  kind: 'credential' | 'grant' | 'delegation' | 'tool'
  reason: string
  isFrozen: boolean
}

/**
 * Freezes or thaws what has a row of its own. `read` gives what enforcement points are to be told of the row as it will
 * be; nothing where it is so already.
 */
function flip(
  ctx: Context,
  { kind, id, organization, reason, isFrozen }: Flip,
  read: (
    tx: Tx,
    at: <R extends Frozen>(row: R) => R | undefined,
  ) => Promise<CatalogueOp | OrganizationOp | undefined>,
): Promise<Done> {
  const frozenAt = isFrozen ? timeOf(ctx) : null
  return asOne(ctx, { id, organization }, async (ctx, tx) => {
    const op = await read(tx, row =>
      (row.frozenAt !== null) === isFrozen ? undefined : { ...row, frozenAt },
    )
    if (!op) return
    await tx.updateTable(kind).set({ frozenAt }).where('id', '=', id).execute()
    const change = await beginChange(tx, organization, byWhom(ctx))
    // What is no fact (any more) needs no mention.
    if (op.value !== null) await change.log(op)
    await note(
      ctx,
      tx,
      { kind, id, organization: organization === CATALOGUE ? null : organization, reason },
      isFrozen,
    )
  })
}

interface Frozen {
  frozenAt: string | null
}

/** Nobody does anything at all, at any enforcement point, and no token is issued. */
function setEverything(ctx: Context, { reason }: Target, isFrozen: boolean): Promise<Done> {
  return asOne(ctx, inCatalogue(ENVIRONMENT), async (ctx, tx) => {
    const status = isFrozen ? 'frozen' : 'active'
    const changed = await tx
      .updateTable('organization')
      .set({ status })
      .where('id', '=', CATALOGUE)
      .where('status', '!=', status)
      .returning('id')
      .executeTakeFirst()
    if (!changed) return
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    const value = isFrozen ? { status } : null
    await change.log({ fact: 'environment', id: ENVIRONMENT, value: value && { status: 'frozen' } })
    await note(ctx, tx, { kind: 'environment', id: ENVIRONMENT, organization: null, reason }, isFrozen)
  })
}

function note(
  ctx: Context,
  tx: Tx,
  {
    kind,
    id,
    organization,
    reason,
  }: { kind: string; id: string; organization: string | null; reason: string },
  isFrozen: boolean,
): Promise<void> {
  const type = `${kind}.${isFrozen ? 'frozen' : 'thawed'}`
  return recordBy(ctx, tx, { organization, type, target: id, detail: { reason } })
}
