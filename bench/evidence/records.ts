import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type AttemptRecord,
  canonicalJson,
  newId,
  type OutcomeRecord,
  partRecord,
  type Writer,
  writeLegs,
} from '@valetkey/sdk/core'
import { commitTo, leafHash, newCommitmentKey, shipmentDigest, signShipment } from '@valetkey/sdk/evidence'
import { pseudoRandom } from '../measure.ts'

export const ORGANIZATIONS = 100
const AGENTS = 10
const PEOPLE = 100
const CUSTOMERS = 100
const INVOICES = 100
const POINTS = 20
const SHIPMENTS_A_BODY = ORGANIZATIONS / POINTS
export const RECORDS_A_SHIPMENT = 300
export const DAYS = 90
export const DAY_MS = 24 * 3_600_000
const TOOLS = ['get_invoice', 'list_invoices', 'send_reminder', 'refund_invoice', 'search']
/** A Wednesday. */
export const END = Date.UTC(2026, 8, 30)

/** What an enforcement point sends at once, and how many records that are. */
export interface Body {
  point: string
  text: string
  records: number
  /** When it is sent: right after its newest record. */
  at: number
}

export interface RecordMill {
  readonly key: KeyObject
  /** The next bodies, of about so many records, in the order of time. */
  next(records: number): Body[]
}

export const organizationOf = (n: number) => `org_${'0'.repeat(22)}${String(n).padStart(4, '0')}`
export const idOf = (prefix: string, organization: number, n: number) =>
  `${prefix}_${'0'.repeat(18)}${String(organization).padStart(4, '0')}${String(n).padStart(4, '0')}`

/**
 * Makes the records of 90 days: 1,000 agents and 10,000 people of 100 organizations on a million resources, five
 * organizations at each of 20 enforcement points. Each call has its attempt and, where it was let through, its outcome.
 * The same numbers in every run; only keys and ids differ.
 */
export function createRecordMill(total: number): RecordMill {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const random = pseudoRandom(11)
  const below = (count: number) => Math.floor(random() * count)
  const counters = new Map<string, number>()
  const lasts = new Map<string, number>()
  /** By organization the call that was let through last, until its outcome is on record. */
  const running = new Map<number, string>()
  const stepMs = (DAYS * DAY_MS) / total
  let made = 0
  let turn = 0

  function record(organization: number, at: number, writer: Writer): AttemptRecord | OutcomeRecord {
    const id = running.get(organization)
    if (id !== undefined) {
      running.delete(organization)
      return outcome(id, organization, at, writer)
    }
    const made = attempt(organization, at, writer)
    if (made.decision === 'permit') running.set(organization, made.id)
    return made
  }

  /** Members in the order of their names, as an enforcement point makes it. */
  function outcome(id: string, organization: number, at: number, writer: Writer): OutcomeRecord {
    const isOk = random() < 0.95
    return {
      at: new Date(at).toISOString(),
      durationMs: below(500_000) / 1000,
      id,
      organization: organizationOf(organization),
      outcome: isOk ? 'ok' : 'tool_error',
      type: 'outcome',
      v: 1,
      writer,
    }
  }

  /** Likewise, with a place for the commitment. */
  function attempt(
    organization: number,
    at: number,
    writer: Writer,
  ): AttemptRecord & { commitment: undefined } {
    const agent = below(AGENTS)
    const customer = below(CUSTOMERS)
    const invoice = below(INVOICES)
    const isPermitted = random() < 0.9
    const hasPerson = random() < 0.5
    const person = idOf('usr', organization, below(PEOPLE))
    const tool = TOOLS[below(TOOLS.length)] ?? ''
    return {
      agent: idOf('agt', organization, agent),
      agentName: `bot-${agent}`,
      arguments: { customer: `c${customer}`, id: `INV-${invoice}` },
      assignments: [],
      at: new Date(at).toISOString(),
      chain: [],
      client: null,
      commitment: undefined,
      credential: idOf('crd', organization, agent),
      decision: isPermitted ? 'permit' : 'deny',
      definition: null,
      detail: null,
      enforced: true,
      grant: hasPerson ? person.replace('usr', 'gnt') : null,
      id: newId('decision', at),
      kind: 'tool',
      legs: writeLegs(isPermitted ? null : 'agent'),
      method: 'tools/call',
      mode: 'enforce',
      organization: organizationOf(organization),
      owner: idOf('usr', organization, agent),
      permission: 'invoices:read',
      person: hasPerson ? person : null,
      reason: isPermitted ? 'permitted' : 'agent_lacks_permission',
      resource: `customer/c${customer}/invoice/i${customer}-${invoice}`,
      revision: { catalogue: 1, organization: 1 },
      scopes: [],
      server: 'srv_billing',
      token: null,
      tool,
      trace: null,
      type: 'attempt',
      v: 1,
      writer,
    }
  }

  function shipment(point: string, organization: number, count: number): string {
    const name = organizationOf(organization)
    const [lines, hashes, numbers]: [string[], Buffer[], number[]] = [[], [], []]
    for (let i = 0; i < count; i++) {
      const counter = (counters.get(point) ?? 0) + 1
      counters.set(point, counter)
      const writer = { counter, epoch: 1, point, previous: lasts.get(name) ?? 0 }
      lasts.set(name, counter)
      const at = Math.floor(END - (total - made++) * stepMs)
      const { text, line } = toLine(record(organization, at, writer))
      lines.push(line)
      hashes.push(leafHash(text))
      numbers.push(counter)
    }
    const terms = {
      ...{ point, epoch: 1, organization: name, count, digest: shipmentDigest(hashes) },
      ...{ first: numbers[0] ?? 0, last: numbers.at(-1) ?? 0 },
    }
    const signature = signShipment(terms, privateKey)
    return `{"organization":"${name}","epoch":1,"signature":"${signature}","records":[${lines.join(',')}]}`
  }

  return {
    key: publicKey,
    next(records) {
      const bodies: Body[] = []
      for (let left = Math.min(records, total - made); left > 0; ) {
        const n = turn++ % POINTS
        const point = `pnt_${'0'.repeat(24)}${String(n).padStart(2, '0')}`
        const before = left
        const shipments: string[] = []
        for (let i = 0; i < SHIPMENTS_A_BODY && left > 0; i++) {
          const count = Math.min(left, RECORDS_A_SHIPMENT)
          shipments.push(shipment(point, n * SHIPMENTS_A_BODY + i, count))
          left -= count
        }
        const at = Math.ceil(END - (total - made) * stepMs)
        bodies.push({ point, text: `{"shipments":[${shipments.join(',')}]}`, records: before - left, at })
      }
      return bodies
    },
  }
}

/** A record as it is shipped, and the text of its leaf. */
function toLine(record: AttemptRecord | OutcomeRecord): { text: string; line: string } {
  const { leaf, data } = partRecord(record)
  if (data === null) {
    const text = canonicalJson(leaf)
    return { text, line: `{"leaf":${text}}` }
  }
  const dataText = canonicalJson(data)
  const key = newCommitmentKey()
  leaf['commitment'] = commitTo(dataText, key)
  const text = canonicalJson(leaf)
  return { text, line: `{"leaf":${text},"data":${JSON.stringify(dataText)},"key":"${key}"}` }
}
