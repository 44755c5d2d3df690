import { AppError, isId, isoTime } from '@valetkey/sdk/core'
import {
  type Context,
  getOrganization,
  getPrincipal,
  type InputOf,
  type OutputOf,
  quote,
  type Row,
  readPage,
  recordBy,
} from '../../directory/index.ts'
import type { Db, Tx } from '../../store/index.ts'
import { answerWaiting, type Given } from './waiting-request.ts'

type Shown = OutputOf<'waitingRequests', 'cancel'>

/**
 * The requests of an organization's agents, with whom they are about. What is asked by a client of a document, or by one
 * that nobody has taken on, is no organization's before somebody answers. Nothing is read of what a request is found by.
 */
function requests(db: Db, organization: string) {
  return db
    .selectFrom('waitingRequest')
    .innerJoin('client', 'client.id', 'waitingRequest.clientId')
    .innerJoin('principal as agent', 'agent.id', 'client.agentId')
    .leftJoin('principal as person', 'person.id', 'waitingRequest.personId')
    .select([
      'waitingRequest.id',
      'client.organizationId',
      'client.agentId',
      'agent.name as agentName',
      'waitingRequest.kind',
      'waitingRequest.personId',
      'person.externalId as personEmail',
      'waitingRequest.params',
      'waitingRequest.message',
      'waitingRequest.askedFrom',
      'waitingRequest.createdAt',
      'waitingRequest.expiresAt',
      'waitingRequest.answer',
    ])
    .where('client.organizationId', '=', organization)
    .orderBy('waitingRequest.id')
}

type Found = Awaited<ReturnType<ReturnType<typeof requests>['executeTakeFirstOrThrow']>>

function toShown(row: Found): Shown {
  const { id, organizationId, agentId, agentName, kind, personId, personEmail, message, askedFrom } = row
  const { resource = '', scope = '' } = JSON.parse(row.params) as { resource?: string; scope?: string }
  return {
    ...{ id, organization: organizationId, agent: agentId, agentName, kind },
    ...{ person: personId, personEmail, resource },
    // CIBA §7.1 wants `openid` in every request: it asks for nothing here.
    scopes: scope.split(' ').filter(name => name !== '' && name !== 'openid'),
    ...{ message, askedFrom: askedFrom === '' ? null : askedFrom },
    ...{ createdAt: row.createdAt, expiresAt: isoTime(Number(row.expiresAt)) },
  }
}

/** Those that wait at this moment, of an agent, for a person, or all. */
async function waitingOf(
  db: Db,
  organization: Row<'organization'>,
  { agent, person }: { agent?: string | undefined; person?: string | undefined },
  now: number,
) {
  const by = agent && (await getPrincipal(db, organization, 'agent', agent.replace(/^agent:/, '')))
  const of = person && (await getPrincipal(db, organization, 'user', person.replace(/^user:/, '')))
  let query = requests(db, organization.id)
    .where('waitingRequest.answer', 'is', null)
    .where('waitingRequest.expiresAt', '>', now)
  if (by) query = query.where('client.agentId', '=', by.id)
  if (of) query = query.where('waitingRequest.personId', '=', of.id)
  return { query, list: `waiting:${organization.id}:${by ? by.id : ''}:${of ? of.id : ''}` }
}

export async function listWaitingRequests(
  ctx: Context,
  input: InputOf<'waitingRequests', 'list'>,
): Promise<OutputOf<'waitingRequests', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const { query, list } = await waitingOf(db, organization, input, ctx.now())
  const read = (after: string, limit: number) =>
    query.where('waitingRequest.id', '>', after).limit(limit).execute()
  return readPage(ctx, list, input, read, toShown)
}

/** Cancels a request that waits: its client hears so when it comes again, and nobody can answer it any more. */
export async function cancelWaitingRequest(
  ctx: Context,
  { id, reason, ...input }: InputOf<'waitingRequests', 'cancel'>,
): Promise<Shown> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    const named = requests(tx, organization.id).where('waitingRequest.id', '=', id)
    const found = isId(id, 'waitingRequest') ? await named.executeTakeFirst() : undefined
    if (!found) throw new AppError('not_found', `No request ${quote(id)} in ${organization.slug}.`)
    if (!(await cancel(ctx, tx, found, reason))) throw overAlready((await named.executeTakeFirst()) ?? found)
    return toShown(found)
  })
}

/** Cancels everything that an agent waits for, that a person is asked, or the one of the other. */
export async function cancelWaitingRequests(
  ctx: Context,
  { reason, ...input }: InputOf<'waitingRequests', 'cancelAll'>,
): Promise<OutputOf<'waitingRequests', 'cancelAll'>> {
  if (input.agent === undefined && input.person === undefined)
    throw new AppError('request.invalid', 'Name an agent, a person, or both.', { path: 'agent' })
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    const { query } = await waitingOf(tx, organization, input, ctx.now())
    const cancelled: string[] = []
    for (const found of await query.execute())
      if (await cancel(ctx, tx, found, reason)) cancelled.push(found.id)
    return { cancelled }
  })
}

/** False where somebody has answered meanwhile, or it has expired. */
async function cancel(ctx: Context, tx: Tx, found: Found, reason: string): Promise<boolean> {
  const { id, organizationId: organization, agentId: agent, kind, personId: person } = found
  if (!(await answerWaiting(tx, id, 'cancelled', ctx.now()))) return false
  const event = { organization, type: 'waiting_request.cancelled', target: id }
  await recordBy(ctx, tx, { ...event, detail: { agent, kind, person, reason } })
  return true
}

/** Why a request does not wait any more, and what can be done instead. */
function overAlready({ id, answer }: Found): AppError {
  const given = answer === null ? null : (JSON.parse(answer) as Given | string)
  const grant = given !== null && typeof given !== 'string' ? given.grant : undefined
  if (grant !== undefined)
    return new AppError(
      'conflict.state',
      `The request ${quote(id)} was answered with a yes. Revoke what came of it, the grant ${grant}.`,
    )
  const sentence =
    given === null ? 'has expired' : given === 'denied' ? 'was answered with a no' : 'is cancelled already'
  return new AppError('conflict.state', `The request ${quote(id)} ${sentence}.`)
}
