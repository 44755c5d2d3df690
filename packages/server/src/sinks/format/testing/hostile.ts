import { AttemptRecord, type JsonObject, OutcomeRecord } from '@valetkey/sdk/core'
import { leafHash } from '@valetkey/sdk/evidence'
import fc from 'fast-check'
import type { LoggedRecord } from '../../../audit/index.ts'

const BREAKS = [
  '\n',
  '\r\n',
  '\0',
  '\u0085',
  '\u2028',
  '\u2029',
  '\u202e',
  '\ufeff',
  // Tags: letters that nobody sees, and that models read.
  '\u{e0041}\u{e0042}',
  '\u200b',
  '\u00ad',
  '\ud800',
  '\x1b[2J',
  '|',
  '=',
  '\\',
  '"',
  ']',
  ' CEF:0|',
  '<13>1 ',
  '\n<13>1 - - - - - - forged',
]

/** Texts that somebody would write to break a line, end a field or begin another record. */
export const hostile = fc
  .array(fc.oneof(fc.constantFrom(...BREAKS), fc.string({ unit: 'binary', maxLength: 12 })), {
    maxLength: 12,
  })
  .map(parts => parts.join(''))
const long = fc.nat(3000).map(length => 'é"\n'.repeat(length))
const text = fc.oneof({ weight: 9, arbitrary: hostile }, { weight: 1, arbitrary: long })
const maybe = fc.option(text, { nil: null })
const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
const trace = fc.oneof(
  maybe,
  fc.tuple(digits(32), digits(16), digits(2)).map(parts => ['00', ...parts].join('-')),
)
const args = fc.dictionary(
  text,
  fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text, { maxLength: 3 })),
  { maxKeys: 6 },
)

export const BASE_CALL: AttemptRecord = AttemptRecord.parse({
  ...{ v: 1, type: 'attempt', id: 'dec_1', at: '2027-01-05T10:00:00.000Z', organization: 'org_nw' },
  ...{ agent: 'agt_1', agentName: 'support-bot', server: 'srv_1', method: 'tools/call', kind: 'tool' },
  ...{ tool: 'get_invoice', permission: 'invoices:read', arguments: { id: 'INV-1' } },
  ...{ resource: 'customer/acme/invoice/INV-1', decision: 'permit', reason: 'permitted', enforced: true },
  ...{ mode: 'enforce', revision: { catalogue: 3, organization: 7 }, scopes: ['invoices:*'] },
})

const call = fc
  .record({
    ...{
      agent: maybe,
      agentName: maybe,
      client: maybe,
      person: maybe,
      grant: maybe,
      token: maybe,
      tool: maybe,
    },
    ...{
      method: text,
      server: text,
      permission: maybe,
      resource: maybe,
      reason: text,
      trace,
      owner: maybe,
      credential: maybe,
      legs: maybe,
    },
    arguments: args,
    chain: fc.array(text, { maxLength: 4 }),
    scopes: fc.array(text, { maxLength: 4 }),
    forwarded: fc.option(fc.array(fc.record({ server: text, key: text, token: text }), { maxLength: 20 }), {
      nil: undefined,
    }),
    kind: fc.constantFrom('tool', 'resource', 'prompt', 'method', null),
    decision: fc.constantFrom('permit', 'deny', 'needs_approval'),
    enforced: fc.boolean(),
    mode: fc.constantFrom('enforce', 'audit'),
    at: fc.constantFrom('2027-01-05T10:00:00.000Z', '', 'tomorrow', '2037-01-05T10:00:00.000Z'),
  })
  .map(fields => AttemptRecord.parse({ ...BASE_CALL, ...fields }))

const change = fc.record({
  v: fc.constant(1),
  id: fc.constant('evt_1'),
  at: fc.constant('2027-01-05T10:00:00.000Z'),
  type: fc.oneof(
    fc.constantFrom(
      'agent.created',
      'token.issued',
      'token.refused',
      'person.signed_out_everywhere',
      'role.updated',
    ),
    fc.constantFrom('alert.raised', 'alert.acknowledged'),
    text.filter(type => type !== ''),
  ),
  organization: fc.constant('org_nw'),
  trace,
  actor: text,
  target: text,
  detail: fc.oneof(
    args,
    args.map(more => ({ kind: 'burst', sentence: 'It does.', records: ['dec_1'], ...more })),
  ),
})

const outcome = fc
  .record({ outcome: fc.constantFrom('ok', 'tool_error', 'revoked'), durationMs: fc.nat(9999) })
  .map(fields =>
    OutcomeRecord.parse({
      v: 1,
      type: 'outcome',
      id: 'dec_1',
      at: BASE_CALL.at,
      organization: 'org_nw',
      ...fields,
    }),
  )

/** Any record, with whatever callers may put into it. */
export const anyRecord = fc
  .tuple(fc.oneof(call, change, outcome), fc.nat(1e9))
  .map(([record, index]) => logged(record as unknown as JsonObject, index))

export function logged(record: object, index = 5): LoggedRecord {
  return {
    ...{ origin: 'auth.test/log/org_nw', organization: 'org_nw', index },
    hash: leafHash(String(index)),
    record: record as JsonObject,
  }
}
