import { hash } from 'node:crypto'
import { newId, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { refOf, rootsOf } from '@valetkey/sdk/engine'
import {
  type Context,
  clientKeyOf,
  createAgent,
  createAssignment,
  credentialFact,
  principalFact,
  showAgent,
  updateAgent,
  withIndex,
} from '../../directory/index.ts'
import type { AuthorizationRequest } from '../../oauth/index.ts'
import { beginChange, type Tx } from '../../store/index.ts'
import type { Person } from '../account/person.ts'

/** A client as it names itself. */
type Named = Pick<AuthorizationRequest, 'clientId' | 'client'>

/** A role of the person's, and where it is given: what an agent of the person's is lent. */
export interface Lent {
  role: string
  resource: string
}

/** The roles by which a person holds these permissions, wherever. */
export async function readLent(
  ctx: Context,
  person: Person,
  permissions: readonly string[],
): Promise<Lent[]> {
  return withIndex(ctx, { organization: person.organization.id }, ({ view }) => {
    const lent = new Map<string, Lent>()
    for (const permission of permissions)
      for (const { held } of rootsOf(view, { principal: person.seq, permission, now: ctx.now() })) {
        const { resource } = held.assignment
        const ref = resource === ROOT_RESOURCE ? '' : refOf(view, resource)
        lent.set(`${held.role.id} ${ref}`, { role: held.role.id, resource: ref })
      }
    return [...lent.values()]
  })
}

/**
 * Takes on a client that registered itself: it becomes an agent of the organization, owned by the person. Without scopes
 * it is pending: it may do nothing until an administrator has named an owner and a ceiling, and activates it.
 */
export async function adopt(
  ctx: Context,
  request: Named,
  person: Person,
  ceiling: readonly string[] | null,
): Promise<{ id: string; name: string }> {
  const organization = person.organization.id
  const agent = await createAgent(ctx, {
    organization,
    name: agentName(request),
    owner: person.id,
    purpose: purposeOf(request),
    kind: 'user_authorized',
    ceiling: [...(ceiling ?? [])],
  })
  await ctx.store.write(async tx => {
    await bindClient(ctx, tx, request, { agent: agent.id, organization })
    if (ceiling === null) await makePending(ctx, tx, { agent: agent.id, organization })
  })
  return { id: agent.id, name: agent.name }
}

/** Gives an agent what its owner lends it, and lets its ceiling cover these scopes. */
export async function lend(
  ctx: Context,
  options: {
    agent: string
    person: Person
    scopes: readonly string[]
    lent: readonly Lent[]
    /** Named as the source of what is lent. */
    grant: string
    expiresAt: string
  },
): Promise<void> {
  const { agent, person, scopes, lent, grant, expiresAt } = options
  const organization = person.organization.id
  const { ceiling } = await showAgent(ctx, { id: agent, organization })
  const wider = [...new Set([...ceiling, ...scopes])]
  if (wider.length > ceiling.length) await updateAgent(ctx, { id: agent, organization, ceiling: wider })
  for (const { role, resource } of lent)
    await createAssignment(ctx, {
      ...{ organization, principal: agent, role, expiresAt, source: 'approval', sourceId: grant },
      ...(resource !== '' && { resource }),
    })
}

async function bindClient(
  ctx: Context,
  tx: Tx,
  { clientId, client: { kind } }: Named,
  { agent, organization }: { agent: string; organization: string },
): Promise<void> {
  const change = await beginChange(tx, organization, { actor: ctx.actor.id, now: ctx.now() })
  const createdAt = new Date(ctx.now()).toISOString()
  const isDocument = kind === 'metadata-document'
  const id = isDocument ? clientKeyOf(clientId, organization) : clientId
  const client = { id, organizationId: organization, kind, agentId: agent }
  await tx
    .insertInto('client')
    .values({ ...client, legacyAudience: 0, createdAt })
    .execute()
  const credential = await tx
    .insertInto('credential')
    .values({
      ...{ id: newId('credential', ctx.now()), organizationId: organization, agentId: agent, clientId: id },
      kind: isDocument ? ('document' as const) : ('public' as const),
      ...{ secretHash: null, publicJwk: null, thumbprint: null },
      label: isDocument ? 'as the document of the client says' : 'client without a secret',
      ...{ createdAt, createdBy: ctx.actor.id },
      ...{ expiresAt: null, revokedAt: null, lastUsedAt: null, lastUsedFrom: null },
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await tx
    .updateTable('clientRegistration')
    .set({ expiresAt: null })
    .where('clientId', '=', clientId)
    .execute()
  await change.log({ fact: 'credential', id: credential.id, value: credentialFact(credential) })
}

async function makePending(
  ctx: Context,
  tx: Tx,
  { agent, organization }: { agent: string; organization: string },
): Promise<void> {
  const change = await beginChange(tx, organization, { actor: ctx.actor.id, now: ctx.now() })
  const principal = await tx
    .updateTable('principal')
    .set({ status: 'pending' })
    .where('id', '=', agent)
    .returningAll()
    .executeTakeFirstOrThrow()
  await change.log({ fact: 'principal', id: agent, value: principalFact(principal) })
}

function purposeOf({ clientId, client: { kind, name, returns } }: Named): string {
  const said = kind === 'metadata-document' ? `Is "${name}" by ${clientId}` : `Registered itself as "${name}"`
  return `${said}, returns to ${returns.name}`.slice(0, 500)
}

/** A name that people can type, and that no other registration takes. */
function agentName({ clientId, client }: Named): string {
  const words = client.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const name = words.replace(/^-+|-+$/g, '').slice(0, 48)
  const own = client.kind === 'metadata-document' ? hash('sha256', clientId, 'hex') : clientId
  return `${name === '' ? 'client' : name}-${own.slice(-6)}`
}
