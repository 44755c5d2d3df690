import {
  type AttemptRecord,
  isoTime,
  type JsonObject,
  type OutcomeRecord,
  writeLegs,
} from '../../core/index.ts'
import { type Caller, type Decision, ruleFor, seatOf } from '../../engine/index.ts'
import type { Message } from '../protocol/message.ts'
import type { PendingRecord } from '../recorder.ts'
import { redactArguments } from '../redact.ts'
import { isIdentified } from './observe.ts'
import type { Point } from './point.ts'
import type { Ruling } from './ruling.ts'

/** A record as it is handed in, with a place for what its recorder adds. */
type Attempt = AttemptRecord & { commitment: undefined }

/** What is recorded of a call before it is released, as it is known now. */
export function attemptOf(
  point: Point,
  caller: Caller,
  message: Message,
  ruling: Ruling,
  trace: string | null,
): PendingRecord {
  const at = point.clock.now()
  const who = whoIs(point, caller)
  const schema = ruleFor(point.replica.snapshot, point.server.id, ruling.target)?.fact.inputSchema ?? null
  const known = { at, who, schema, server: point.server.id, method: message.method ?? '', trace }
  return { organization: who.organization, record: () => toAttempt(caller, ruling, known) }
}

interface Known {
  at: number
  who: Who
  schema: unknown
  server: string
  method: string
  trace: string | null
}

/**
 * Members are in the order of their names, here and within: so the canonical text, which is what will be proved, is the
 * one that JSON.stringify writes.
 */
function toAttempt(caller: Caller, { target, decision, isEnforced }: Ruling, known: Known): Attempt {
  const { at, who, schema, server, method, trace } = known
  const { otherResources, revision } = decision
  return {
    agent: who.agent,
    agentName: who.agentName,
    arguments: redactArguments(target.arguments, schema as JsonObject | null),
    assignments: decision.assignments.map(({ createdBy, id, role }) => ({ createdBy, id, role })),
    at: isoTime(at),
    chain: who.chain,
    client: who.client,
    commitment: undefined,
    credential: who.credential,
    decision: decision.decision,
    definition: decision.definition,
    detail: decision.detail,
    enforced: isEnforced,
    forwarded: caller.forwarded?.map(({ server, key, token }) => ({ server, key, token })),
    grant: who.grant,
    id: decision.id,
    kind: target.kind,
    legs: legsOf(decision),
    method,
    mode: decision.mode,
    organization: who.organization,
    otherResources: otherResources.length > 0 ? [...otherResources] : undefined,
    owner: who.owner,
    permission: decision.permission,
    person: who.person,
    reason: decision.reason,
    resource: decision.resource,
    revision: { catalogue: revision.catalogue, organization: revision.organization },
    scopes: who.scopes,
    server,
    token: who.token,
    tool: target.name,
    trace,
    type: 'attempt',
    v: 1,
  }
}

/** A refusal without a leg that failed came before any was walked. */
function legsOf({ decision, failed }: Decision): string | null {
  return decision === 'permit' || failed !== null ? writeLegs(failed) : null
}

type Who = Pick<
  AttemptRecord,
  | 'organization'
  | 'agent'
  | 'agentName'
  | 'credential'
  | 'client'
  | 'owner'
  | 'person'
  | 'grant'
  | 'chain'
  | 'token'
  | 'scopes'
>

/** Who calls, as records say it; of who has no identity here, what its credential is known by. */
export function whoIs(point: Point, caller: Caller | null): Who {
  if (caller === null || !isIdentified(caller)) return { ...NOBODY, credential: caller?.fingerprint ?? null }
  const organization = point.replica.snapshot.organization(caller.organization)
  const seat = organization && seatOf(organization, caller.agent)
  return {
    organization: caller.organization,
    agent: caller.agent,
    agentName: seat?.principal.name ?? null,
    credential: caller.credential,
    client: caller.client,
    owner: seat?.agent.owner ?? null,
    person: caller.person,
    grant: caller.grant,
    chain: [...caller.chain],
    token: caller.token,
    scopes: [...caller.scopes],
  }
}

const NOBODY: Who = {
  organization: null,
  agent: null,
  agentName: null,
  credential: null,
  client: null,
  owner: null,
  person: null,
  grant: null,
  chain: [],
  token: null,
  scopes: [],
}

export type OutcomeName = OutcomeRecord['outcome']

/** Records how a call ended. Nobody waits for it. */
export function noteOutcome(
  point: Point,
  caller: Caller,
  id: string,
  outcome: OutcomeName,
  durationMs: number,
): void {
  const at = point.clock.now()
  const organization = isIdentified(caller) ? caller.organization : null
  point.spool.note({
    organization,
    record: () => ({
      at: isoTime(at),
      durationMs: Math.round(durationMs * 1000) / 1000,
      id,
      organization,
      outcome,
      type: 'outcome',
      v: 1,
    }),
  })
}
