import type { KeyObject } from 'node:crypto'
import type { ShipmentTerms } from '../core/index.ts'
import { leafHash, shipmentDigest, signShipment } from '../evidence/index.ts'
import type { Batch } from './spool/index.ts'

/** The point that ships, and the key that it vouches with. */
export interface Vouching {
  point: string
  key: KeyObject
}

interface Line {
  organization: string | null
  leaf: string
  /** The rest of the shipped record, as members that follow the leaf. */
  rest: string
  counter: number
}

const LINE = /^\{"organization":(null|"[^"\\]*"),"length":(\d+),"leaf":/
const NUMBERS = /,"epoch":(\d+),"counter":(\d+),"previous":(\d+)\}$/

/** Turns a batch of the spool into the body of a request: one shipment an organization, each under the point's signature. */
export function toRequestBody({ epoch, records }: Batch, by: Vouching): string {
  const byOrganization = Map.groupBy(
    records.map(record => readLine(record, by.point)),
    line => line.organization,
  )
  const shipments = [...byOrganization].map(([organization, lines]) => {
    const terms: ShipmentTerms = {
      point: by.point,
      epoch,
      organization,
      first: lines[0]?.counter ?? 0,
      last: lines.at(-1)?.counter ?? 0,
      count: lines.length,
      digest: shipmentDigest(lines.map(({ leaf }) => leafHash(leaf))),
    }
    const list = lines.map(({ leaf, rest }) => `{"leaf":${leaf}${rest}}`).join(',')
    const signature = signShipment(terms, by.key)
    return `{"organization":${JSON.stringify(organization)},"epoch":${epoch},"signature":"${signature}","records":[${list}]}`
  })
  return `{"shipments":[${shipments.join(',')}]}`
}

/** Completes a leaf with who wrote it. `writer` sorts behind every other member, so the text stays canonical. */
function readLine(line: string, point: string): Line {
  const [head = '', organization = 'null', length = '0'] = LINE.exec(line) ?? []
  const [tail = '', epoch, counter, previous] = NUMBERS.exec(line) ?? []
  const end = head.length + Number(length)
  if (head === '' || tail === '') throw new Error('A line of the spool is not one that this program writes.')
  const writer = `"writer":{"counter":${counter},"epoch":${epoch},"point":"${point}","previous":${previous}}`
  return {
    organization: JSON.parse(organization) as string | null,
    leaf: `${line.slice(head.length, end - 1)},${writer}}`,
    rest: line.slice(end, -tail.length),
    counter: Number(counter),
  }
}
