/**
 * What OCSF 1.9.0 says of the classes and objects that are written here: names of attributes, which are required, what
 * they hold, and of which at least one must be there. Facts of the schema as it was released (3 August 2026, 856d462 of
 * github.com/ocsf/ocsf-schema; classes as schema.ocsf.io/api/1.9.0 gives them, with the profiles that are used here).
 * What is there and must not be used is left out: `duration`, `start_time`, `end_time` and `count` are of aggregates.
 */
export interface OcsfType {
  required: readonly string[]
  optional: readonly string[]
  /** What an attribute holds where that is another object, or a list of them. */
  objects?: Readonly<Record<string, string>>
  enums?: Readonly<Record<string, readonly number[]>>
  atLeastOne?: readonly string[]
}

const BASE = {
  required: ['category_uid', 'class_uid', 'activity_id', 'type_uid', 'severity_id', 'time', 'metadata'],
  optional: [
    ...['activity_name', 'message', 'status', 'status_id', 'status_code', 'status_detail'],
    ...['type_name', 'class_name', 'category_name', 'severity', 'timezone_offset', 'unmapped', 'raw_data'],
    ...['raw_data_hash', 'raw_data_size', 'observables', 'enrichments'],
  ],
}
const SECURITY_CONTROL = [
  'action',
  'action_id',
  'disposition',
  'disposition_id',
  'authorizations',
  'is_alert',
  'policy',
]
const AI_OPERATION = ['ai_agent', 'ai_model', 'delegation', 'message_context']
const RECORD_INTEGRITY = ['attestation_list']
const COMMON = {
  metadata: 'metadata',
  actor: 'actor',
  ai_agent: 'ai_agent',
  delegation: 'delegation',
  attestation_list: 'attestation',
  authorizations: 'authorization',
  src_endpoint: 'endpoint',
  dst_endpoint: 'endpoint',
  resources: 'resource',
}
const ENUMS = {
  severity_id: [0, 1, 2, 3, 4, 5, 6, 99],
  action_id: [0, 1, 2, 3, 4, 99],
  disposition_id: range(27),
}

function range(last: number): number[] {
  return [...Array.from({ length: last + 1 }, (_, i) => i), 99]
}

const CLASSES: Readonly<Record<number, OcsfType>> = {
  0: {
    required: BASE.required,
    optional: [...BASE.optional, ...RECORD_INTEGRITY],
    objects: COMMON,
    enums: { ...ENUMS, activity_id: [0, 99] },
  },
  2004: {
    required: [...BASE.required, 'finding_info'],
    optional: [
      ...[...BASE.optional, ...SECURITY_CONTROL, ...RECORD_INTEGRITY],
      ...['anomaly_analyses', 'confidence_id', 'evidences', 'resources', 'device', 'risk_level_id', 'notes'],
    ],
    objects: { ...COMMON, finding_info: 'finding_info' },
    enums: { ...ENUMS, activity_id: [0, 1, 2, 3, 99], status_id: [0, 1, 2, 3, 4, 5, 6, 99] },
  },
  3002: {
    required: [...BASE.required, 'user'],
    optional: [
      ...[...BASE.optional, ...RECORD_INTEGRITY],
      ...[
        'actor',
        'service',
        'dst_endpoint',
        'src_endpoint',
        'session',
        'is_mfa',
        'is_remote',
        'auth_protocol_id',
      ],
    ],
    objects: { ...COMMON, user: 'user', service: 'service' },
    enums: { ...ENUMS, activity_id: [0, 1, 2, 3, 4, 5, 6, 7, 99], status_id: [0, 1, 2, 99] },
    atLeastOne: ['service', 'dst_endpoint'],
  },
  3004: {
    required: [...BASE.required, 'entity'],
    optional: [...BASE.optional, ...RECORD_INTEGRITY, 'actor', 'comment', 'updated_entity', 'src_endpoint'],
    objects: { ...COMMON, entity: 'entity' },
    enums: { ...ENUMS, activity_id: range(13), status_id: [0, 1, 2, 99] },
  },
  6003: {
    required: [...BASE.required, 'actor', 'api', 'src_endpoint'],
    optional: [
      ...[...BASE.optional, ...SECURITY_CONTROL, ...AI_OPERATION, ...RECORD_INTEGRITY],
      ...['dst_endpoint', 'http_request', 'http_response', 'resources', 'trace'],
    ],
    objects: { ...COMMON, api: 'api' },
    enums: { ...ENUMS, activity_id: [0, 1, 2, 3, 4, 99], status_id: [0, 1, 2, 99] },
  },
}

const some = (...names: string[]) => names

const OBJECTS: Readonly<Record<string, OcsfType>> = {
  metadata: {
    required: some('version', 'product'),
    optional: some(
      'profiles',
      'uid',
      'correlation_uid',
      'log_name',
      'sequence',
      'tenant_uid',
      'is_truncated',
      'untruncated_size',
    ),
    objects: { product: 'product' },
  },
  product: {
    required: some(),
    optional: some('name', 'vendor_name', 'version', 'uid'),
    atLeastOne: some('name', 'uid'),
  },
  actor: {
    required: some(),
    optional: some('app_name', 'app_uid', 'user', 'session', 'process', 'idp', 'authorizations'),
    objects: { user: 'user' },
    atLeastOne: some('process', 'user', 'session', 'app_name', 'app_uid'),
  },
  user: {
    required: some(),
    optional: some('uid', 'name', 'type_id', 'email_addr'),
    atLeastOne: some('uid', 'name', 'account'),
  },
  ai_agent: {
    required: some('uid'),
    optional: some('instance_uid', 'name', 'type', 'type_id', 'ai_model', 'version', 'charter'),
    enums: { type_id: [0, 1, 2, 3, 4, 99] },
  },
  delegation: {
    required: some('uid'),
    optional: some('audience', 'created_time', 'expiration_time', 'issuer_uid', 'parent_uid', 'scopes'),
  },
  attestation: {
    required: some(),
    optional: some('uid', 'authority_uid', 'signatures', 'fingerprint', 'prev_event', 'chain_uid'),
    objects: { fingerprint: 'fingerprint' },
    atLeastOne: some('fingerprint', 'signatures'),
  },
  fingerprint: {
    required: some('algorithm_id', 'value'),
    optional: some('algorithm'),
    enums: { algorithm_id: [0, 1, 2, 3, 4, 5, 6, 7, 99] },
  },
  authorization: { required: some(), optional: some('decision', 'policy'), objects: { policy: 'policy' } },
  policy: {
    required: some(),
    optional: some('uid', 'name', 'version', 'desc', 'group'),
    atLeastOne: some('uid', 'name'),
  },
  endpoint: {
    required: some(),
    optional: some('uid', 'name', 'ip', 'hostname', 'port', 'svc_name', 'instance_uid'),
    atLeastOne: some('uid', 'name', 'ip', 'hostname', 'svc_name', 'instance_uid'),
  },
  resource: {
    required: some(),
    optional: some('uid', 'name', 'type', 'version', 'role', 'role_id', 'data'),
    enums: { role_id: [0, 1, 2, 3, 4, 99] },
    atLeastOne: some('uid', 'name'),
  },
  entity: {
    required: some(),
    optional: some('uid', 'name', 'type', 'version', 'data'),
    atLeastOne: some('uid', 'name'),
  },
  api: {
    required: some('operation'),
    optional: some('group', 'request', 'response', 'service', 'token', 'version'),
    objects: { request: 'request', response: 'response', service: 'service' },
  },
  request: { required: some('uid'), optional: some('flags', 'data') },
  response: {
    required: some(),
    optional: some('code', 'message', 'error', 'error_message', 'flags', 'data'),
  },
  service: {
    required: some(),
    optional: some('uid', 'name', 'version', 'labels'),
    atLeastOne: some('uid', 'name'),
  },
  finding_info: {
    required: some('uid'),
    optional: some(
      ...some('title', 'types', 'analytic', 'desc', 'related_events', 'related_events_count', 'created_time'),
      ...some('first_seen_time', 'last_seen_time', 'src_url', 'data_sources'),
    ),
    objects: { analytic: 'analytic', related_events: 'related_event' },
  },
  analytic: {
    required: some('type_id'),
    optional: some('name', 'uid', 'type', 'version', 'desc', 'category'),
    enums: { type_id: [0, 1, 2, 3, 4, 99] },
    atLeastOne: some('uid', 'name'),
  },
  related_event: { required: some('uid'), optional: some('type_uid', 'type', 'product_uid') },
}

/** What is wrong with an event, by its path; nothing where it is as the schema has it. */
export function faultsOf(event: Record<string, unknown>): string[] {
  const type = CLASSES[Number(event['class_uid'])]
  if (!type) return [`class_uid: ${event['class_uid']}`]
  const faults = faultsIn(event, type, '')
  const { category_uid, class_uid, activity_id, type_uid } = event as Record<string, number>
  if (type_uid !== Number(class_uid) * 100 + Number(activity_id)) faults.push('type_uid')
  if (Math.floor(Number(class_uid) / 1000) !== category_uid) faults.push('category_uid')
  return faults
}

function faultsIn(value: Record<string, unknown>, type: OcsfType, path: string): string[] {
  const names = Object.keys(value)
  const known = new Set([...type.required, ...type.optional])
  const faults = names.filter(name => !known.has(name)).map(name => `${path}${name}: unknown`)
  faults.push(
    ...type.required.filter(name => value[name] === undefined).map(name => `${path}${name}: missing`),
  )
  if (type.atLeastOne && !type.atLeastOne.some(name => value[name] !== undefined))
    faults.push(`${path}: empty`)
  for (const [name, allowed] of Object.entries(type.enums ?? {}))
    if (value[name] !== undefined && !allowed.includes(value[name] as number))
      faults.push(`${path}${name}: no value of it`)
  for (const [name, of] of Object.entries(type.objects ?? {}))
    for (const item of [value[name]].flat())
      if (item !== undefined)
        faults.push(...faultsIn(item as Record<string, unknown>, OBJECTS[of] as OcsfType, `${path}${name}.`))
  return faults
}
