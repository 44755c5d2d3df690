/**
 * The tables of the evidence, as queries see them (columns are snake_case in SQL). Times are milliseconds since 1970, so
 * that a page of an index holds many; `body` is the record as it came, and every other column a copy to search by.
 */
export type AuditTables = {
  auditCall: AuditCallTable
  /** The resources beyond the first of calls that name several, so that a call is found by each. */
  auditResource: { call: string; organization: string | null; resource: string }
  auditOutcome: AuditOutcomeTable
  auditChange: AuditChangeTable
  auditPoint: { point: string; epoch: number; highest: number }
  /** Counters of a point's start that have not arrived, both ends included. */
  auditGap: { point: string; epoch: number; first: number; last: number }
}

type AuditCallTable = {
  /** Order of arrival; breaks ties between calls of the same millisecond. */
  seq: number
  id: string
  point: string
  epoch: number
  counter: number
  receivedAt: number
  at: number
  organization: string | null
  agent: string | null
  agentName: string | null
  owner: string | null
  person: string | null
  grantId: string | null
  chain: string
  server: string
  tool: string | null
  resource: string | null
  verdict: 'permit' | 'deny' | 'needs_approval'
  reason: string
  /** 1 where the call went through: permitted, or denied in audit mode. */
  passed: number
  /** JSON: who made the assignments that carried a permitted call, in order. */
  carriers: string
  body: string
  /** What the leaf in `body` only commits to, and the key of that commitment. */
  data: string | null
  commitmentKey: string | null
}

type AuditOutcomeTable = {
  id: string
  point: string
  outcome: string
  durationMs: number
  body: string
}

type AuditChangeTable = {
  seq: number
  id: string
  at: number
  organization: string | null
  type: string
  actor: string
  target: string
  body: string
}

export const CALL_COLUMNS = {
  id: 'text',
  point: 'text',
  epoch: 'bigint',
  counter: 'bigint',
  received_at: 'bigint',
  at: 'bigint',
  organization: 'text',
  agent: 'text',
  agent_name: 'text',
  owner: 'text',
  person: 'text',
  grant_id: 'text',
  chain: 'text',
  server: 'text',
  tool: 'text',
  resource: 'text',
  verdict: 'text',
  reason: 'text',
  passed: 'bigint',
  carriers: 'text',
  body: 'text',
  data: 'text',
  commitment_key: 'text',
} as const
export const RESOURCE_COLUMNS = { call: 'text', organization: 'text', resource: 'text' } as const
export const OUTCOME_COLUMNS = {
  id: 'text',
  point: 'text',
  outcome: 'text',
  duration_ms: 'double precision',
  body: 'text',
} as const
export const CHANGE_COLUMNS = {
  id: 'text',
  at: 'bigint',
  organization: 'text',
  type: 'text',
  actor: 'text',
  target: 'text',
  body: 'text',
} as const

/** One list of statements a version; forward only, never edited after a release. */
export function auditMigrations(dialect: 'sqlite' | 'postgres'): string[][] {
  const sqlite = dialect === 'sqlite'
  const seq = sqlite ? 'integer primary key' : 'bigint generated always as identity primary key'
  const text = sqlite ? 'text' : 'text collate "C"'
  // An index of SQLite ends with the row's number anyway.
  const last = sqlite ? '' : ', seq'
  return [
    [
      `create table audit_call (
        seq ${seq}, id ${text} not null unique, point text not null, epoch bigint not null, counter bigint not null,
        received_at bigint not null, at bigint not null, organization ${text}, agent ${text}, agent_name text,
        owner text, person text, grant_id text, chain text not null, server text not null, tool text,
        resource ${text}, verdict text not null, reason text not null, passed bigint not null,
        carriers text not null, body text not null)`,
      // Appended to in order of time, so it costs one hot page; serves the live tail and questions without an organization.
      `create index audit_call_at on audit_call (at${last})`,
      `create index audit_call_organization on audit_call (organization, at${last})`,
      `create index audit_call_agent on audit_call (organization, agent, at${last})`,
      `create index audit_call_resource on audit_call (organization, resource, at)`,
      `create table audit_outcome (
        id ${text} not null, point ${text} not null, outcome text not null, duration_ms double precision not null,
        body text not null, primary key (id, point))${sqlite ? ' without rowid' : ''}`,
      `create table audit_change (
        seq ${seq}, id ${text} not null unique, at bigint not null, organization ${text}, type text not null,
        actor text not null, target text not null, body text not null)`,
      `create index audit_change_at on audit_change (at${last})`,
      `create index audit_change_organization on audit_change (organization, at${last})`,
      `create table audit_point (
        point text not null, epoch bigint not null, highest bigint not null, primary key (point, epoch))`,
      `create table audit_gap (
        point text not null, epoch bigint not null, first bigint not null, last bigint not null,
        primary key (point, epoch, first))`,
    ],
    [
      `create table audit_resource (
        call ${text} not null, organization ${text}, resource ${text} not null,
        primary key (call, resource))${sqlite ? ' without rowid' : ''}`,
      `create index audit_resource_organization on audit_resource (organization, resource)`,
    ],
    [`alter table audit_call add column data text`, `alter table audit_call add column commitment_key text`],
  ]
}
