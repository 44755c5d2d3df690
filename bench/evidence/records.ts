import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type AttemptRecord, canonicalJson, newId, partRecord, type Writer } from '@valetkey/sdk/core'
import { commitTo, leafHash, newCommitmentKey, shipmentDigest, signShipment } from '@valetkey/sdk/evidence'
import { pseudoRandom } from '../measure.ts'

export const ORGANIZATIONS = 100
const AGENTS = 10
const PEOPLE = 100
const CUSTOMERS = 100
const INVOICES = 100
const POINTS = 20
const SHIPMENTS_A_BODY = ORGANIZATIONS / POINTS
const RECORDS_A_SHIPMENT = 300
export const DAYS = 90
const DAY_MS = 24 * 3_600_000
const TOOLS = ['get_invoice', 'list_invoices', 'send_reminder', 'refund_invoice', 'search']
/** A Wednesday. */
export const END = Date.UTC(2026, 8, 30)

/** What an enforcement point sends at once, and how many records that are. */
export interface Body {
  point: string
  text: string
  records: number
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
 * organizations at each of 20 enforcement points. The same numbers in every run; only keys and ids differ.
 */
export function createRecordMill(total: number): RecordMill {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const random = pseudoRandom(11)
  const below = (count: number) => Math.floor(random() * count)
  const counters = new Map<string, number>()
  const lasts = new Map<string, number>()
  const stepMs = (DAYS * DAY_MS) / total
  let made = 0
  let turn = 0

  function record(organization: number, at: number, writer: Writer): AttemptRecord {
    const agent = below(AGENTS)
    const customer = below(CUSTOMERS)
    const invoice = below(INVOICES)
    const isPermitted = random() < 0.9
    const hasPerson = random() < 0.5
    const person = idOf('usr', organization, below(PEOPLE))
    const tool = TOOLS[below(TOOLS.length)] ?? ''
    return {
      ...{ v: 1, type: 'attempt', id: newId('decision', at), at: new Date(at).toISOString() },
      organization: organizationOf(organization),
      ...{ agent: idOf('agt', organization, agent), agentName: `bot-${agent}` },
      ...{ credential: null, client: null, owner: idOf('usr', organization, agent) },
      ...{ person: hasPerson ? person : null, grant: hasPerson ? person.replace('usr', 'gnt') : null },
      ...{
        chain: [],
        token: null,
        scopes: [],
        server: 'srv_billing',
        method: 'tools/call',
        kind: 'tool',
        tool,
      },
      ...{ definition: null, permission: 'invoices:read' },
      arguments: { customer: `c${customer}`, id: `INV-${invoice}` },
      resource: `customer/c${customer}/invoice/i${customer}-${invoice}`,
      ...{
        decision: isPermitted ? 'permit' : 'deny',
        reason: isPermitted ? 'permitted' : 'agent_lacks_permission',
      },
      ...{ detail: null, leg: null, enforced: true, mode: 'enforce', assignments: [] },
      ...{ revision: { catalogue: 1, organization: 1 }, trace: null, writer },
    }
  }

  function shipment(point: string, organization: number, count: number): string {
    const name = organizationOf(organization)
    const [lines, hashes, numbers]: [string[], Buffer[], number[]] = [[], [], []]
    for (let i = 0; i < count; i++) {
      const counter = (counters.get(point) ?? 0) + 1
      counters.set(point, counter)
      const writer = { point, epoch: 1, counter, previous: lasts.get(name) ?? 0 }
      lasts.set(name, counter)
      const at = Math.floor(END - (total - made++) * stepMs)
      const { leaf, data } = partRecord(record(organization, at, writer))
      const dataText = canonicalJson(data ?? {})
      const key = newCommitmentKey()
      leaf['commitment'] = commitTo(dataText, key)
      const text = canonicalJson(leaf)
      lines.push(`{"leaf":${text},"data":${dataText},"key":"${key}"}`)
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
        bodies.push({ point, text: `{"shipments":[${shipments.join(',')}]}`, records: before - left })
      }
      return bodies
    },
  }
}
