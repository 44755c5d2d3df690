import { CATALOGUE, newId } from '@valetkey/sdk/core'
import { createSnapshot, type Decision, decide, describe, type Snapshot } from '@valetkey/sdk/engine'
import type { Store } from '../store/index.ts'
import { getAgentRow } from './agents.ts'
import type { Context } from './context.ts'
import { liveCredentials } from './credentials.ts'
import { loadCatalogue, loadOrganization } from './facts.ts'
import type { InputOf, OutputOf } from './operation.ts'
import { getServer, locatePrincipal, quote } from './reference.ts'

type Explanation = OutputOf<'decisions', 'check'>

/** How many organizations are kept loaded between checks. */
const KEPT_ORGANIZATIONS = 20
const snapshots = new WeakMap<Store['db'], Snapshot>()

/**
 * Says what would be decided and why, by the very function that decides at the enforcement points, on the facts of this
 * moment. The caller is made up: one of the agent's live credentials, and a token with all scopes of its ceiling unless
 * others are named. The definition is the one that the server was last seen to offer.
 */
export async function checkDecision(
  ctx: Context,
  input: InputOf<'decisions', 'check'>,
): Promise<Explanation> {
  const { db } = ctx.store
  const { id, organizationId } = await locatePrincipal(db, 'agent', input.agent, input.organization)
  const server = await getServer(db, input.server)
  const agent = await getAgentRow(db, id)
  const now = input.at === undefined ? ctx.now() : Date.parse(input.at)
  const [credential] = await liveCredentials(db, id, now)
  const snapshot = await currentSnapshot(ctx, organizationId)
  const decision = decide(
    {
      id: newId('decision', ctx.now()),
      now,
      server: server.id,
      caller: {
        organization: organizationId,
        agent: id,
        credential: credential?.id ?? '',
        client: id,
        token: '',
        scopes: input.scopes ?? (JSON.parse(agent.ceiling) as string[]),
        expiresAt: now + 1,
        person: null,
        grant: null,
        chain: [],
      },
      action: {
        kind: input.kind,
        name: input.name,
        arguments: input.arguments,
        definition: await offeredDefinition(ctx, server.id, input),
      },
    },
    snapshot,
    true,
  )
  return explain(decision, agent.name, credential !== undefined)
}

/** The facts of the catalogue and an organization at their newest revisions, loaded anew only where they have moved. */
async function currentSnapshot(ctx: Context, organizationId: string): Promise<Snapshot> {
  const { db } = ctx.store
  const kept = snapshots.get(db)
  const snapshot = kept && kept.organizations().length <= KEPT_ORGANIZATIONS ? kept : createSnapshot()
  snapshots.set(db, snapshot)
  const heads = await db
    .selectFrom('organization')
    .select(['id', 'revision'])
    .where('id', 'in', [CATALOGUE, organizationId])
    .execute()
  for (const { id, revision } of heads) {
    if (snapshot.revisionOf(id) === revision) continue
    snapshot.load(id === CATALOGUE ? await loadCatalogue(db) : await loadOrganization(db, id, ctx.now()))
  }
  return snapshot
}

async function offeredDefinition(
  ctx: Context,
  serverId: string,
  action: Pick<InputOf<'decisions', 'check'>, 'kind' | 'name'>,
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

function explain(decision: Decision, agentName: string, hasCredential: boolean): Explanation {
  const { id, decision: verdict, reason, mode, permission, resource, assignments, revision, legs } = decision
  return {
    id,
    decision: verdict,
    reason,
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
    return `Denied: ${quote(agentName)} has no live credential. Give it one: "valetkey agent credential".`
  const passes =
    decision.mode === 'audit' ? ' The mode is audit: the call would be recorded and let pass.' : ''
  return describe(decision) + passes
}
