import { AppError, type GrantFact, newId } from '@valetkey/sdk/core'
import {
  type Caller,
  type Decision,
  decide,
  describe,
  liveGrants,
  type OrganizationView,
  pathOfLink,
} from '@valetkey/sdk/engine'
import type { Db } from '../store/index.ts'
import { type Standing, withIndex } from './access/index.ts'
import type { Context } from './context.ts'
import { liveCredentials } from './credentials/credentials.ts'
import { locateDelegation } from './delegation/index.ts'
import type { InputOf, OutputOf } from './operation.ts'
import { getAgentRow } from './principals/agents.ts'
import { getServer, locatePrincipal, quote } from './reference.ts'

type Explanation = OutputOf<'decisions', 'check'>
type CheckInput = InputOf<'decisions', 'check'>

/**
 * Says what would be decided and why, by the very function that decides at the enforcement points, on the facts of this
 * moment. The caller is made up: one of the agent's live credentials, and a token with all scopes of its ceiling unless
 * others are named; acting for a person, by the grant that lets it. The definition is the one that the server was last
 * seen to offer.
 */
export async function checkDecision(ctx: Context, input: CheckInput): Promise<Explanation> {
  const { db } = ctx.store
  const { id, organizationId } = await locatePrincipal(db, 'agent', input.agent, input.organization)
  const person =
    input.person === undefined ? null : (await locatePrincipal(db, 'user', input.person, organizationId)).id
  const agent = await getAgentRow(db, id)
  const now = input.at === undefined ? ctx.now() : Date.parse(input.at)
  const delegation = input.delegation ?? null
  if (delegation !== null && person !== null)
    throw new AppError(
      'request.invalid',
      'For whom it acts is what the delegation says: leave the person out.',
      {
        path: 'person',
      },
    )
  if (delegation !== null) await locateDelegation(db, { id: delegation, organization: organizationId })
  const by = { organization: organizationId, agent: id, person, delegation, now }
  const decideCall = await prepareCall(ctx, by, input)
  if (!decideCall) throw new AppError('not_found', `No MCP server ${quote(input.server)}.`)
  const { decision, hasCredential } = await withIndex(ctx, by, decideCall)
  return explain(decision, agent.name, hasCredential)
}

/** Whom a call is decided for. */
export interface CallBy {
  /** Ids; `person` where the agent acts for one. */
  organization: string
  agent: string
  person: string | null
  /** By which it acts for another agent. */
  delegation: string | null
  now: number
}

/** What is decided on a call, on the facts that are given. */
export type DecideCall = (standing: Standing) => { decision: Decision; hasCredential: boolean }

/**
 * Prepares to decide a call as an enforcement point would, if the agent came with a token of these scopes (or of all
 * that it may have). Undefined where there is no such server.
 */
export async function prepareCall(
  ctx: Context,
  by: CallBy,
  call: Pick<CheckInput, 'server' | 'kind' | 'name' | 'arguments' | 'scopes'>,
): Promise<DecideCall | undefined> {
  const { db } = ctx.store
  const { now, agent } = by
  const server = await findServer(db, call.server)
  if (!server) return undefined
  const [credential] = await liveCredentials(db, agent, now)
  const action = {
    kind: call.kind,
    name: call.name,
    arguments: call.arguments,
    definition: await offeredDefinition(ctx, server, call),
  }
  return ({ snapshot, view }) => {
    const decisions = callersOf(view, by, credential?.id ?? '', call.scopes).map(caller =>
      decide({ id: newId('decision', ctx.now()), now, server, caller, action }, snapshot, true),
    )
    const [first] = decisions
    const decision = decisions.find(({ decision }) => decision === 'permit') ?? first
    if (!decision) throw new Error('there is always somebody to decide for')
    return { decision, hasCredential: credential !== undefined }
  }
}

async function findServer(db: Db, ref: string): Promise<string | undefined> {
  try {
    return (await getServer(db, ref)).id
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'not_found') return undefined
    throw cause
  }
}

/** As whom the agent may come: as itself, by a delegation, or by each grant that stands between it and the person. */
function callersOf(
  view: OrganizationView,
  { organization, agent, person, delegation, now }: CallBy,
  credential: string,
  scopes: readonly string[] | undefined,
): Caller[] {
  const ceiling = view.agents.get(agent)?.ceiling ?? []
  const caller = (grant: GrantFact | undefined): Caller => ({
    organization,
    agent,
    credential,
    client: agent,
    token: '',
    // What the grant holds, the walk looks up itself.
    scopes: scopes ?? ceiling,
    expiresAt: now + 1,
    person,
    grant: grant?.id ?? null,
    chain: [],
  })
  if (delegation !== null) return [{ ...caller(undefined), ...actingBy(view, delegation) }]
  if (person === null) return [caller(undefined)]
  const grants = liveGrants(view, { agent, person }, now)
  return grants.length === 0 ? [caller(undefined)] : grants.map(caller)
}

/** One that is not there, or never was taken up, is named as it is: the walk refuses it. */
function actingBy(view: OrganizationView, delegation: string): Pick<Caller, 'chain' | 'grant' | 'person'> {
  const path = pathOfLink(view, delegation) ?? []
  const grant = path[0]?.grant ?? null
  const person = grant === null ? null : (view.grants.get(grant)?.fact.person ?? null)
  return { chain: path.length > 0 ? path.map(({ id }) => id) : [delegation], grant, person }
}

async function offeredDefinition(
  ctx: Context,
  serverId: string,
  action: Pick<CheckInput, 'kind' | 'name'>,
): Promise<string | null> {
  for (const table of ['seenDefinition', 'tool'] as const) {
    const found = await ctx.store.db
      .selectFrom(table)
      .select('definition')
      .where('serverId', '=', serverId)
      .where('kind', '=', action.kind)
      .where('name', '=', action.name)
      .executeTakeFirst()
    if (found) return found.definition
  }
  return null
}

/** A decision as the API says it. */
export function explain(decision: Decision, agentName: string, hasCredential: boolean): Explanation {
  const {
    id,
    decision: verdict,
    reason,
    detail,
    mode,
    permission,
    resource,
    assignments,
    revision,
    legs,
  } = decision
  return {
    id,
    decision: verdict,
    reason,
    detail,
    sentence: sentenceOf(decision, agentName, hasCredential),
    mode,
    permission,
    resource,
    assignments: [...assignments],
    revision,
    legs: legs.map(leg => ({ ...leg })),
  }
}

function sentenceOf(decision: Decision, agentName: string, hasCredential: boolean): string {
  if (decision.decision === 'permit') {
    const by = decision.assignments.map(({ role, createdBy }) => `role ${role}, given by ${createdBy}`)
    return `Permitted: ${quote(agentName)} holds ${decision.permission} through ${by.join('; ')}.`
  }
  if (!hasCredential && decision.reason === 'revoked')
    return `Denied: ${quote(agentName)} has no live credential. Give it one: "valetkey credential create".`
  const passes =
    decision.mode === 'enforce'
      ? ''
      : ` The mode is ${decision.mode}: the call would be recorded and let pass.`
  return describe(decision) + passes
}
