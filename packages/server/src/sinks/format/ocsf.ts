import { type AttemptRecord, canonicalJson, type JsonObject } from '@valetkey/sdk/core'
import { sha256 } from '@valetkey/sdk/evidence'
import manifest from '../../../package.json' with { type: 'json' }
import { type ChangeRecord, type Exported, sentenceOf, timeOf, uidOf } from './exported.ts'
import { fit, plain } from './text.ts'

const VERSION = '1.9.0'
const OTHER = 99
const SEVERITY = { informational: 1, medium: 3, high: 4 } as const
const STATUS = { success: 1, failure: 2, new: 1, resolved: 4 } as const
const ACTION = { allowed: 1, denied: 2, observed: 3 } as const
const DISPOSITION = { allowed: 1, logged: 17, unauthorized: 26 } as const
const SHA_256 = 3
const ROLE_ACTOR = 2
const LONGEST_NAME = 256
/** So many members of a list are told; the record has all. */
const MOST_MEMBERS = 16

/** What identifies an event class. */
interface EventClass {
  category_uid: number
  class_uid: number
}
const API_ACTIVITY: EventClass = { category_uid: 6, class_uid: 6003 }
const AUTHENTICATION: EventClass = { category_uid: 3, class_uid: 3002 }
const ENTITY_MANAGEMENT: EventClass = { category_uid: 3, class_uid: 3004 }
const DETECTION_FINDING: EventClass = { category_uid: 2, class_uid: 2004 }
const BASE_EVENT: EventClass = { category_uid: 0, class_uid: 0 }

/**
 * A record as an OCSF event (1.9.0, of 3 August 2026) of at most so many bytes: calls as API Activity with the profiles for security controls, AI
 * operations (agent and delegation) and record integrity; sign-ins and tokens as Authentication, alerts as Detection
 * Finding, every other change as Entity Management.
 */
export function toOcsf(exported: Exported, mostBytes: number): JsonObject {
  const room = mostBytes - ATTESTATION_BYTES
  const whole = eventOf(exported)
  const fits = fit(whole, room)
  const event = fits === whole ? whole : fit(asTruncated(whole), room)
  return { ...event, attestation_list: [attestationOf(exported, event)] }
}

function asTruncated(event: JsonObject): JsonObject {
  return { ...event, metadata: { ...(event['metadata'] as JsonObject), is_truncated: true } }
}

const ATTESTATION_BYTES = 1024

/**
 * What the profile for record integrity asks for: the fingerprint is over the canonical event with everything of the
 * attestation but the fingerprint. The chain is the log; which entry of it this is, and that none is missing before it,
 * is proved by the log itself and not by links from event to event.
 */
function attestationOf({ place }: Exported, event: JsonObject): JsonObject {
  const attestation = {
    uid: `${place.log}#${place.index}`,
    authority_uid: place.log.split('/', 1)[0] ?? place.log,
    chain_uid: place.log,
  }
  const value = sha256(canonicalJson({ ...event, attestation_list: [attestation] })).toString('hex')
  return { ...attestation, fingerprint: { algorithm: 'SHA-256', algorithm_id: SHA_256, value } }
}

function eventOf(exported: Exported): JsonObject {
  if (exported.kind === 'alert') return findingOf(exported, exported.change)
  if (exported.kind === 'change')
    return /^(token|session|person\.sign|identity_provider\.sign)/.test(exported.change.type)
      ? authenticationOf(exported, exported.change)
      : managementOf(exported, exported.change)
  return exported.call ? callOf(exported, exported.call) : orphanOf(exported)
}

function headOf(
  exported: Exported,
  { category_uid, class_uid }: EventClass,
  activity: { id: number; name: string },
  profiles: readonly string[],
): JsonObject {
  const { place } = exported
  const organization = organizationOf(exported)
  return {
    category_uid,
    class_uid,
    activity_id: activity.id,
    activity_name: plain(activity.name, LONGEST_NAME),
    type_uid: class_uid * 100 + activity.id,
    time: timeOf(exported),
    message: plain(sentenceOf(exported), LONGEST_NAME),
    metadata: {
      version: VERSION,
      product: { name: 'Valet Key', vendor_name: 'Valet Key', version: manifest.version },
      profiles: [...profiles, 'record_integrity'],
      uid: uidOf(exported),
      correlation_uid: uidOf(exported).replace(/\.outcome$/, ''),
      log_name: place.log,
      sequence: place.index,
      ...(organization !== null && { tenant_uid: idOf(organization) }),
    },
  }
}

function organizationOf(exported: Exported): string | null {
  if (exported.kind === 'outcome') return exported.outcome.organization
  return exported.kind === 'call' ? exported.call.organization : exported.change.organization
}

const VERBS: readonly [RegExp, number, string][] = [
  [/^(create|add|insert|send|write|new)/, 1, 'Create'],
  [/^(read|list|get|search|view)/, 2, 'Read'],
  [/^(update|edit|change|move|set|approve|refund)/, 3, 'Update'],
  [/^(delete|remove|drop|revoke)/, 4, 'Delete'],
]

/** What the permission of a rule says that a call does; callers' own words (the tool's name) are not believed. */
function activityOf(call: AttemptRecord): { id: number; name: string } {
  const verb = call.permission?.split(':')[1] ?? ''
  const [, id, name] = VERBS.find(([pattern]) => pattern.test(verb)) ?? []
  return id === undefined || name === undefined ? { id: OTHER, name: call.method || 'call' } : { id, name }
}

function callOf(exported: Exported, call: AttemptRecord): JsonObject {
  const isDenied = call.decision !== 'permit'
  const outcome = exported.kind === 'outcome' ? exported.outcome : null
  const isFailed = outcome ? outcome.outcome !== 'ok' : isDenied && call.enforced
  const action = isDenied ? (call.enforced ? ACTION.denied : ACTION.observed) : ACTION.allowed
  const disposition =
    action === ACTION.allowed
      ? DISPOSITION.allowed
      : action === ACTION.denied
        ? DISPOSITION.unauthorized
        : DISPOSITION.logged
  const profiles = ['security_control', 'ai_operation']
  return {
    ...headOf(exported, API_ACTIVITY, activityOf(call), profiles),
    severity_id: isDenied ? SEVERITY.medium : SEVERITY.informational,
    status_id: isFailed ? STATUS.failure : STATUS.success,
    status_code: plain(outcome?.outcome ?? call.reason, 64),
    action_id: action,
    disposition_id: disposition,
    is_alert: false,
    actor: actorOf(call),
    ...(call.agent !== null && { ai_agent: agentOf(call) }),
    ...delegationOf(exported, call),
    src_endpoint: { uid: idOf(call.client ?? call.agent), name: nameOf(call) },
    dst_endpoint: { uid: idOf(call.server) },
    authorizations: [
      {
        decision: isDenied ? 'denied' : 'allowed',
        policy: {
          uid: idOf(call.permission ?? call.reason),
          version: `${call.revision.catalogue}.${call.revision.organization}`,
        },
      },
    ],
    ...(call.resource !== null && { resources: resourcesOf(call) }),
    api: {
      operation: plain(call.tool === null ? call.method : `${call.method} ${call.tool}`, LONGEST_NAME),
      service: { uid: idOf(call.server) },
      ...(outcome && { response: { message: outcome.outcome } }),
      request: {
        uid: idOf(call.id),
        ...(call.arguments !== null && { data: { arguments: call.arguments } }),
      },
    },
    // Behind what callers wrote: all that is needed to find the record stands elsewhere, too.
    unmapped: unmappedOf(exported, call),
  }
}

/** An id is short, unless it is none. */
function idOf(text: string | null): string {
  return plain(text ?? '', 128) || 'unidentified'
}

function nameOf({ agentName, agent }: AttemptRecord): string {
  return plain(agentName ?? agent ?? '', 128) || 'unidentified'
}

function actorOf(call: AttemptRecord): JsonObject {
  return {
    app_name: nameOf(call),
    app_uid: idOf(call.agent),
    ...(call.person !== null && { user: { uid: idOf(call.person) } }),
  }
}

function agentOf(call: AttemptRecord): JsonObject {
  return {
    uid: idOf(call.agent),
    name: nameOf(call),
    type_id: 0,
    // One token is one run, as far as the authority can tell.
    ...(call.token !== null && { instance_uid: idOf(call.token) }),
  }
}

/** The newest link of the chain, or the grant where there is none; what it rests on is its parent. */
function delegationOf({ place }: Exported, call: AttemptRecord): JsonObject {
  const lineage = [call.grant, ...call.chain].filter(uid => uid !== null)
  const uid = lineage.at(-1)
  if (uid === undefined) return {}
  const parent = lineage.at(-2)
  return {
    delegation: {
      uid: idOf(uid),
      ...(parent !== undefined && { parent_uid: idOf(parent) }),
      issuer_uid: place.log.split('/', 1)[0] ?? place.log,
      audience: idOf(call.server),
      scopes: call.scopes.slice(0, MOST_MEMBERS).map(idOf),
    },
  }
}

function resourcesOf(call: AttemptRecord): JsonObject[] {
  return [call.resource, ...(call.otherResources ?? [])]
    .filter(path => path !== null)
    .slice(0, MOST_MEMBERS)
    .map(path => ({ uid: plain(path, LONGEST_NAME), type: plain(path.split('/').at(-2) ?? '', 64) }))
}

function unmappedOf(exported: Exported, call?: AttemptRecord): JsonObject {
  const change = exported.kind === 'change' || exported.kind === 'alert' ? exported.change : undefined
  const outcome = exported.kind === 'outcome' ? exported.outcome : undefined
  const trace = (call ?? change)?.trace ?? null
  return {
    log: { ...exported.place },
    ...(trace !== null && { trace: plain(trace, 128) }),
    // The schema's own `duration` is that of an aggregate.
    ...(outcome && { duration_ms: outcome.durationMs }),
    ...(call && {
      delegations: [...call.chain],
      ...(call.forwarded && { forwarded: call.forwarded.slice(0, MOST_MEMBERS).map(hop => ({ ...hop })) }),
      ...(call.legs !== null && { legs: call.legs }),
      ...(call.credential !== null && { credential: call.credential }),
      mode: call.mode,
      ...(call.owner !== null && { owner: call.owner }),
      assignments: call.assignments.map(assignment => ({ ...assignment })),
    }),
  }
}

/** An outcome whose attempt is not on record (any more): all that is known of it. */
function orphanOf(exported: Exported): JsonObject {
  const outcome = exported.kind === 'outcome' ? exported.outcome : null
  return {
    ...headOf(exported, BASE_EVENT, { id: OTHER, name: 'outcome' }, []),
    severity_id: SEVERITY.informational,
    status_id: outcome?.outcome === 'ok' ? STATUS.success : STATUS.failure,
    ...(outcome && { status_code: outcome.outcome }),
    unmapped: unmappedOf(exported),
  }
}

function authenticationOf(exported: Exported, change: ChangeRecord): JsonObject {
  const isFailed = /refused|failed/.test(change.type)
  const isLogoff = /signed_out|ended|revoked/.test(change.type)
  const activity = isLogoff
    ? { id: 2, name: 'Logoff' }
    : /sign/.test(change.type)
      ? { id: 1, name: 'Logon' }
      : { id: OTHER, name: change.type }
  return {
    ...headOf(exported, AUTHENTICATION, activity, []),
    severity_id: isFailed ? SEVERITY.medium : SEVERITY.informational,
    status_id: isFailed ? STATUS.failure : STATUS.success,
    user: { uid: idOf(change.target) },
    actor: { app_uid: idOf(change.actor) },
    service: { name: 'Valet Key', uid: exported.place.log.split('/', 1)[0] ?? '' },
    unmapped: { ...unmappedOf(exported), type: change.type, detail: change.detail },
  }
}

const MANAGEMENT: readonly [RegExp, number, string][] = [
  [/\.(created|added|registered|mapped|made|offered|invited)$/, 1, 'Create'],
  [/\.(removed|revoked|retired|unmapped|ended|cleared)$/, 4, 'Delete'],
  [/\.(updated|changed|set)$|_(set|changed)$/, 3, 'Update'],
  [/\.(moved|renamed)$/, 5, 'Move'],
  [/\.thawed$/, 8, 'Enable'],
  [/\.frozen$/, 9, 'Disable'],
  [/\.activated$/, 10, 'Activate'],
  [/\.suspended$/, 12, 'Suspend'],
  [/\.resumed$/, 13, 'Resume'],
]

function managementOf(exported: Exported, change: ChangeRecord): JsonObject {
  const [, id, name] = MANAGEMENT.find(([pattern]) => pattern.test(change.type)) ?? [
    undefined,
    OTHER,
    change.type,
  ]
  return {
    ...headOf(exported, ENTITY_MANAGEMENT, { id, name }, []),
    severity_id: SEVERITY.informational,
    status_id: STATUS.success,
    actor: { app_uid: idOf(change.actor) },
    entity: { uid: idOf(change.target), type: plain(change.type.split('.')[0] ?? '', 64) },
    unmapped: { ...unmappedOf(exported), type: change.type, detail: change.detail },
  }
}

function findingOf(exported: Exported, change: ChangeRecord): JsonObject {
  const { detail } = change
  const isNew = change.type === 'alert.raised'
  const text = (key: string) =>
    typeof detail[key] === 'string' ? plain(detail[key], LONGEST_NAME) : undefined
  const records = Array.isArray(detail['records'])
    ? detail['records'].filter(record => typeof record === 'string')
    : []
  return {
    ...headOf(exported, DETECTION_FINDING, isNew ? { id: 1, name: 'Create' } : { id: 3, name: 'Close' }, [
      'security_control',
    ]),
    severity_id: isNew ? SEVERITY.high : SEVERITY.informational,
    status_id: isNew ? STATUS.new : STATUS.resolved,
    is_alert: isNew,
    finding_info: {
      uid: text('alert') ?? idOf(change.target),
      title: text('sentence') ?? idOf(change.type),
      types: [text('kind') ?? idOf(change.type)],
      analytic: { name: 'Baseline of an agent', type_id: 2, type: 'Behavioral' },
      related_events_count: records.length,
      related_events: records.slice(0, MOST_MEMBERS).map(uid => ({ uid: idOf(uid) })),
    },
    // Findings have no profile that knows agents.
    resources: [{ uid: text('agent') ?? idOf(change.target), type: 'agent', role_id: ROLE_ACTOR }],
    unmapped: { ...unmappedOf(exported), type: change.type, detail },
  }
}
