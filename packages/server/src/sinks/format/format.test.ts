import { Validator } from '@cfworker/json-schema'
import { canonicalJson, type JsonObject } from '@valetkey/sdk/core'
import { sha256 } from '@valetkey/sdk/evidence'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod'
import {
  type Exported,
  FORMATS,
  frame,
  isSpan,
  jsonLine,
  toExported,
  toJson,
  toLine,
  toLogsRequest,
  toSyslog,
  toTraceRequest,
} from './index.ts'
import { anyRecord, BASE_CALL, hostile, logged } from './testing/hostile.ts'
import { faultsOf } from './testing/ocsf-schema.ts'

/** What every syslog receiver takes, less the header. */
const MOST_BYTES = 7680

function exported(record: object, index?: number): Exported {
  const found = toExported(logged(record, index))
  if (!found) throw new Error('this one does not leave')
  return found
}

const CALL = exported(BASE_CALL)
const REFUSAL = exported({
  ...BASE_CALL,
  decision: 'deny',
  reason: 'agent_lacks_permission',
  person: 'usr_maya',
  grant: 'gnt_1',
  chain: ['dlg_1', 'dlg_2'],
  credential: 'crd_1',
  forwarded: [
    { server: 'srv_desk', key: 'sky_1', token: 'jti-1' },
    { server: 'srv_crm', key: 'sky_2', token: 'jti-2' },
  ],
  legs: 'state+ tool+ agent-',
})
const ALERT = exported({
  ...{
    v: 1,
    type: 'alert.raised',
    id: 'evt_9',
    at: BASE_CALL.at,
    organization: 'org_nw',
    actor: 'baseline',
    target: 'agt_1',
  },
  detail: {
    alert: 'alr_1',
    agent: 'agt_1',
    kind: 'burst',
    sentence: 'support-bot made 900 calls.',
    records: ['dec_1', 'dec_2'],
  },
})

/** Whatever any viewer takes for the end of a line, and what hides in one. */
const ENDS_A_LINE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

test('no record of any kind breaks its line, in no format, nor makes it longer than allowed', () => {
  fc.assert(
    fc.property(anyRecord, record => {
      const found = toExported(record)
      if (!found) return
      for (const format of FORMATS) {
        const line = toLine(found, format, MOST_BYTES)
        expect(line).not.toMatch(ENDS_A_LINE)
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MOST_BYTES)
        expect(line.isWellFormed()).toBe(true)
        if (format !== 'cef') expect(JSON.parse(line)).toEqual(toJson(found, format, MOST_BYTES))
      }
      expect(jsonLine(toLogsRequest([found], 0))).not.toMatch(ENDS_A_LINE)
    }),
    { numRuns: 400 },
  )
})

test('OCSF: every record is as schema 1.9.0 has its class, whatever callers wrote', () => {
  fc.assert(
    fc.property(anyRecord, record => {
      const found = toExported(record)
      if (found) expect(faultsOf(toJson(found, 'ocsf', MOST_BYTES))).toEqual([])
    }),
    { numRuns: 400 },
  )
})

test('OCSF: a refused call says who, for whom, by which delegation, on what, and by which rule', () => {
  const event = toJson(REFUSAL, 'ocsf', MOST_BYTES)
  expect(event).toMatchObject({
    ...{ class_uid: 6003, activity_id: 2, type_uid: 600302, status_id: 2, action_id: 2, disposition_id: 26 },
    time: Date.parse(BASE_CALL.at),
    actor: { user: { uid: 'usr_maya' }, app_uid: 'agt_1' },
    ai_agent: { uid: 'agt_1', name: 'support-bot' },
    delegation: { uid: 'dlg_2', parent_uid: 'dlg_1', issuer_uid: 'auth.test', scopes: ['invoices:*'] },
    authorizations: [{ decision: 'denied', policy: { uid: 'invoices:read', version: '3.7' } }],
    resources: [{ uid: 'customer/acme/invoice/INV-1', type: 'invoice' }],
    metadata: {
      version: '1.9.0',
      profiles: ['security_control', 'ai_operation', 'record_integrity'],
      tenant_uid: 'org_nw',
    },
    attestation_list: [{ chain_uid: 'auth.test/log/org_nw', uid: 'auth.test/log/org_nw#5' }],
    unmapped: {
      forwarded: [
        { server: 'srv_desk', key: 'sky_1', token: 'jti-1' },
        { server: 'srv_crm', key: 'sky_2', token: 'jti-2' },
      ],
      legs: 'state+ tool+ agent-',
      credential: 'crd_1',
    },
  })
})

test('OCSF: the fingerprint is of the canonical event without fingerprint, and any change of the event changes it', () => {
  const { attestation_list, ...event } = toJson(CALL, 'ocsf', MOST_BYTES)
  const [{ fingerprint, ...rest }] = attestation_list as [{ fingerprint: { value: string } }]
  const hash = (value: object) => sha256(canonicalJson(value)).toString('hex')
  expect(fingerprint.value).toBe(hash({ ...event, attestation_list: [rest] }))
  expect(fingerprint.value).not.toBe(hash({ ...event, status_id: 2, attestation_list: [rest] }))
})

test('OCSF: an alert is a finding that names the records it rests on', () => {
  expect(toJson(ALERT, 'ocsf', MOST_BYTES)).toMatchObject({
    ...{ class_uid: 2004, activity_id: 1, is_alert: true },
    finding_info: {
      uid: 'alr_1',
      title: 'support-bot made 900 calls.',
      related_events: [{ uid: 'dec_1' }, { uid: 'dec_2' }],
    },
    resources: [{ uid: 'agt_1', type: 'agent', role_id: 2 }],
  })
})

test('OCSF: what an agent was put through has the word that the schema has for it', () => {
  const activity = (type: string) => {
    const change = {
      v: 1,
      type,
      id: 'evt_1',
      at: BASE_CALL.at,
      organization: 'org_nw',
      actor: 'a',
      target: 'b',
    }
    const { class_uid, activity_id, activity_name } = toJson(exported(change), 'ocsf', MOST_BYTES)
    return [class_uid, activity_id, activity_name]
  }
  expect(activity('agent.suspended')).toEqual([3004, 12, 'Suspend'])
  expect(activity('agent.resumed')).toEqual([3004, 13, 'Resume'])
  expect(activity('resource.moved')).toEqual([3004, 5, 'Move'])
  expect(activity('tool.frozen')).toEqual([3004, 9, 'Disable'])
  expect(activity('tool.thawed')).toEqual([3004, 8, 'Enable'])
  expect(activity('agent.updated')).toEqual([3004, 3, 'Update'])
  expect(activity('evidence.expired')).toEqual([3004, 99, 'evidence.expired'])
})

test('OCSF: an event that was cut says so, and how long a call took is no aggregate', () => {
  const long = exported({ ...BASE_CALL, arguments: { note: 'x'.repeat(20_000) } })
  expect(toJson(long, 'ocsf', MOST_BYTES)).toMatchObject({ metadata: { is_truncated: true } })
  expect(toJson(CALL, 'ocsf', MOST_BYTES)['metadata']).not.toHaveProperty('is_truncated')
  const end = { v: 1, type: 'outcome', id: 'dec_1', at: BASE_CALL.at, organization: 'org_nw', outcome: 'ok' }
  const event = toJson(exported({ ...end, durationMs: 12.5 }), 'ocsf', MOST_BYTES)
  expect(event).toMatchObject({ unmapped: { duration_ms: 12.5 } })
  expect(event).not.toHaveProperty('duration')
})

/** Reads CEF as a receiver does: header fields at bars that are not escaped, values up to the next key. */
function readCef(line: string): { header: string[]; fields: Record<string, string> } {
  const [, head = '', tail = ''] = /^((?:(?:\\.|[^\\|])*\|){7})(.*)$/.exec(line) ?? []
  const header = [...head.matchAll(/((?:\\.|[^\\|])*)\|/g)].map(([, part = '']) =>
    part.replace(/\\([\\|])/g, '$1'),
  )
  const fields: Record<string, string> = {}
  for (const [, key = '', value = ''] of tail.matchAll(/(\w+)=((?:\\.|[^\\=])*?)(?= \w+=|$)/g))
    fields[key] = value.replace(/\\([\\=])/g, '$1')
  return { header, fields }
}

test('CEF: callers add no field, change none and end no header', () => {
  fc.assert(
    fc.property(hostile, hostile, hostile, (tool, agentName, value) => {
      const call = { ...BASE_CALL, tool: tool || 'x', agentName: agentName || 'x', arguments: { value } }
      const { header, fields } = readCef(toLine(exported(call), 'cef', 8000))
      expect(header.slice(0, 5)).toEqual([
        'CEF:0',
        'Valet Key',
        'valetkey',
        expect.any(String),
        'call.permit',
      ])
      expect(header[6]).toBe('2')
      const plain = readCef(toLine(CALL, 'cef', 8000)).fields
      expect(Object.keys(fields)).toEqual(Object.keys(plain))
      for (const key of ['act', 'outcome', 'externalId', 'suid', 'request', 'leafHash', 'cs6', 'cn1'])
        expect(fields[key]).toBe(plain[key])
    }),
    { numRuns: 500 },
  )
})

test('CEF: a refusal in the words that every receiver knows', () => {
  const { fields } = readCef(toLine(REFUSAL, 'cef', 8000))
  expect(fields).toMatchObject({
    ...{
      act: 'deny',
      outcome: 'failure',
      reason: 'agent_lacks_permission',
      suid: 'agt_1',
      suser: 'usr_maya',
    },
    ...{ flexString1Label: 'forwarded', flexString1: 'srv_desk/jti-1 srv_crm/jti-2' },
    ...{ flexString2Label: 'legs', flexString2: 'state+ tool+ agent-' },
    ...{ cs2Label: 'tool', cs2: 'get_invoice', externalId: 'dec_1', rt: String(Date.parse(BASE_CALL.at)) },
  })
})

const RFC_5424 =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) - (?:\ufeff)?([^\n\r\0]*)$/

test('syslog: one frame a record, in the form of RFC 5424, and a forged one stays inside it', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 4 }), records => {
      const all = records.flatMap(record => toExported(record) ?? [])
      const lines = all.map(record => toLine(record, 'ocsf', MOST_BYTES))
      const stream = Buffer.from(
        all.map((record, i) => frame(toSyslog(record, lines[i] ?? '', 'auth.test'))).join(''),
      )
      const read: string[] = []
      for (let at = 0; at < stream.length; ) {
        const space = stream.indexOf(' ', at)
        const length = Number(stream.toString('utf8', at, space))
        read.push(stream.toString('utf8', space + 1, space + 1 + length))
        at = space + 1 + length
      }
      expect(read).toHaveLength(all.length)
      for (const [i, message] of read.entries()) {
        const [, priority, , host, app, , , text] = RFC_5424.exec(message) ?? []
        expect([Math.floor(Number(priority) / 8), host, app, text]).toEqual([
          13,
          'auth.test',
          'valetkey',
          lines[i],
        ])
      }
    }),
    { numRuns: 100 },
  )
})

/** The attributes of CloudEvents 1.0.2 in JSON, as its published schema has them. */
const CLOUD_EVENT = new Validator({
  type: 'object',
  required: ['id', 'source', 'specversion', 'type'],
  properties: {
    id: { type: 'string', minLength: 1 },
    source: { type: 'string', format: 'uri-reference', minLength: 1 },
    specversion: { const: '1.0' },
    type: { type: 'string', minLength: 1 },
    datacontenttype: { type: 'string', minLength: 1 },
    subject: { type: 'string', minLength: 1 },
    time: { type: 'string', format: 'date-time' },
    data: { type: ['object', 'string', 'number', 'array', 'boolean', 'null'] },
  },
  propertyNames: { pattern: '^[a-z0-9]{1,20}$' },
  additionalProperties: { type: ['string', 'number', 'boolean'] },
})

test('CloudEvents: every record is one, and keeps its id and source', () => {
  fc.assert(
    fc.property(anyRecord, record => {
      const found = toExported(record)
      if (!found) return
      const event = toJson(found, 'cloudevents', MOST_BYTES)
      expect(CLOUD_EVENT.validate(event).errors).toEqual([])
      expect(event).toEqual(toJson(found, 'cloudevents', MOST_BYTES))
    }),
  )
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  expect(toJson(exported({ ...BASE_CALL, trace }), 'cloudevents', MOST_BYTES)).toMatchObject({
    ...{ id: 'dec_1', source: '//auth.test/log/org_nw', type: 'dev.valetkey.decision.v1', subject: 'agt_1' },
    ...{ traceparent: trace, sequence: '000000000005', data: { log: { index: 5 }, tool: 'get_invoice' } },
  })
})

/** OTLP in JSON (opentelemetry-proto): camel case, ids in hexadecimal digits, 64-bit numbers as texts, nothing else. */
const Value: z.ZodType = z.lazy(() =>
  z.union([
    z.strictObject({ stringValue: z.string() }),
    z.strictObject({ boolValue: z.boolean() }),
    z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
    z.strictObject({ doubleValue: z.number() }),
    z.strictObject({ arrayValue: z.strictObject({ values: z.array(Value) }) }),
    z.strictObject({
      kvlistValue: z.strictObject({ values: z.array(z.strictObject({ key: z.string(), value: Value })) }),
    }),
  ]),
)
const Attributes = z
  .array(z.strictObject({ key: z.string().min(1), value: Value }))
  .refine(list => new Set(list.map(({ key }) => key)).size === list.length)
const Nano = z.string().regex(/^\d+$/)
const TraceId = z.string().regex(/^[0-9a-fA-F]{32}$/)
const SpanId = z.string().regex(/^[0-9a-fA-F]{16}$/)
const Resource = z.strictObject({ attributes: Attributes })
const Scope = z.strictObject({ name: z.string(), version: z.string(), attributes: Attributes.optional() })
const Logs = z.strictObject({
  resourceLogs: z.array(
    z.strictObject({
      resource: Resource,
      scopeLogs: z.array(
        z.strictObject({
          scope: Scope,
          logRecords: z.array(
            z.strictObject({
              ...{
                timeUnixNano: Nano,
                observedTimeUnixNano: Nano,
                severityNumber: z.number().int().min(1).max(24),
              },
              ...{
                severityText: z.string(),
                eventName: z.string().optional(),
                body: Value,
                attributes: Attributes,
              },
              ...{ traceId: TraceId.optional(), spanId: SpanId.optional() },
            }),
          ),
        }),
      ),
    }),
  ),
})
const Traces = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: Resource,
      scopeSpans: z.array(
        z.strictObject({
          scope: Scope,
          spans: z.array(
            z.strictObject({
              ...{
                traceId: TraceId,
                spanId: SpanId,
                parentSpanId: SpanId.optional(),
                name: z.string().min(1),
              },
              ...{ kind: z.number().int().min(0).max(5), startTimeUnixNano: Nano, endTimeUnixNano: Nano },
              ...{ attributes: Attributes },
              status: z.strictObject({
                code: z.number().int().min(0).max(2).optional(),
                message: z.string().optional(),
              }),
            }),
          ),
        }),
      ),
    }),
  ),
})

test('OpenTelemetry: what is sent is OTLP, whatever callers wrote', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 4 }), records => {
      const all = records.flatMap(record => toExported(record) ?? [])
      Logs.parse(toLogsRequest(all, 1_800_000_000_000))
      Traces.parse(toTraceRequest(all))
    }),
  )
})

test('OpenTelemetry: a call that ended is a span of its trace, named as the MCP conventions have it', () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const call = { ...BASE_CALL, trace }
  const end = {
    v: 1,
    type: 'outcome',
    id: 'dec_1',
    at: '2027-01-05T10:00:00.250Z',
    organization: 'org_nw',
    outcome: 'tool_error',
    durationMs: 50,
  }
  const outcome = { ...exported(end), call } as Exported
  const request = toTraceRequest([exported(call), outcome]) as z.infer<typeof Traces>
  const spans = request.resourceSpans[0]?.scopeSpans[0]?.spans ?? []
  expect(spans).toMatchObject([
    {
      ...{ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', parentSpanId: '00f067aa0ba902b7', kind: 2 },
      name: 'tools/call get_invoice',
      ...{
        startTimeUnixNano: '1799143200200000000',
        endTimeUnixNano: '1799143200250000000',
        status: { code: 2 },
      },
    },
  ])
  const attributes = Object.fromEntries(spans[0]?.attributes.map(({ key, value }) => [key, value]) ?? [])
  expect(attributes).toMatchObject({
    'mcp.method.name': { stringValue: 'tools/call' },
    'gen_ai.operation.name': { stringValue: 'execute_tool' },
    'gen_ai.tool.name': { stringValue: 'get_invoice' },
    'gen_ai.agent.id': { stringValue: 'agt_1' },
    'error.type': { stringValue: 'tool_error' },
  })
  // Arguments may hold what traces should not.
  expect(attributes).not.toHaveProperty(['gen_ai.tool.call.arguments'])
  expect(isSpan(exported(call))).toBe(false)
  expect(isSpan(REFUSAL)).toBe(true)
})

test('a change leaves with the trace of the request that made it', () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const at = '2027-01-05T10:00:00.000Z'
  const said = { v: 1, type: 'token.issued', id: 'evt_1', at, organization: 'org_nw', actor: 'agt_1', trace }
  const change = exported({ ...said, target: 'atk_1', detail: {} })
  expect(toJson(change, 'cloudevents', MOST_BYTES)).toMatchObject({ traceparent: trace, data: { trace } })
  expect(toJson(change, 'ocsf', MOST_BYTES)).toMatchObject({ unmapped: { trace } })
  const request = toLogsRequest([change], 0) as z.infer<typeof Logs>
  expect(request.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]).toMatchObject({
    ...{ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' },
  })
})

test('what is too long is cut where callers wrote, and says where the whole of it is', () => {
  const args: JsonObject = { text: 'x'.repeat(10_000_000), list: Array.from({ length: 9999 }, (_, i) => i) }
  const huge = exported({ ...BASE_CALL, arguments: args })
  for (const format of FORMATS) {
    const line = toLine(huge, format, MOST_BYTES)
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MOST_BYTES)
    expect(line).toContain('auth.test/log/org_nw')
    expect(line).toContain('get_invoice')
  }
})

test('OpenTelemetry: a log and a span say by which servers a call was handed on, and which legs were walked', () => {
  const log = toLogsRequest([REFUSAL], 0) as z.infer<typeof Logs>
  const traces = toTraceRequest([REFUSAL]) as z.infer<typeof Traces>
  for (const said of [
    log.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.attributes,
    traces.resourceSpans[0]?.scopeSpans[0]?.spans[0]?.attributes,
  ])
    expect(said).toEqual(
      expect.arrayContaining([
        {
          key: 'valetkey.forwarded',
          value: {
            arrayValue: { values: [{ stringValue: 'srv_desk/jti-1' }, { stringValue: 'srv_crm/jti-2' }] },
          },
        },
        { key: 'valetkey.legs', value: { stringValue: 'state+ tool+ agent-' } },
        { key: 'valetkey.credential', value: { stringValue: 'crd_1' } },
      ]),
    )
})
