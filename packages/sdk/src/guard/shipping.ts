import type { KeyObject } from 'node:crypto'
import type { ShipmentTerms } from '../core/index.ts'
import { leafHash, shipmentDigest, signShipment } from '../evidence/index.ts'
import { type Batch, createRoom } from './spool/index.ts'

/** The point that ships, and the key that it vouches with. */
export interface Vouching {
  point: string
  key: KeyObject
}

/** Where the parts of a line of the spool are, and what is to be known of it. */
interface Line {
  organization: string
  counter: number
  /** From the leaf to its last brace, which who wrote it comes before. */
  leaf: number
  brace: number
  writer: string
  /** The end of the members that follow the leaf. */
  end: number
}

const HEAD = /^\{"organization":(null|"[^"\\]*"),"length":(\d+),"leaf":/
const LONGEST_HEAD = 256
const NUMBERS = /,"epoch":(\d+),"counter":(\d+),"previous":(\d+)\}$/
const LONGEST_NUMBERS = 128
const NEWLINE = 0x0a

/**
 * Turns batches of the spool into bodies of requests: one shipment an organization, each under the point's signature.
 * A body is good until the next one is made.
 */
export function createRequestBodies(by: Vouching): (batch: Batch) => Buffer {
  const room = createRoom()
  return batch => {
    // What a line loses is longer than what it gets, but for the point's name and what a shipment is wrapped in.
    const body = room(batch.lines.length + batch.count * (by.point.length + 256))
    return body.subarray(0, writeBody(body, batch, by))
  }
}

/** Gives the length. Bytes are moved and not read as text: there are many of them, and they stay what they are. */
function writeBody(body: Buffer, { epoch, lines }: Batch, by: Vouching): number {
  const byOrganization = Map.groupBy(readLines(lines, by.point), line => line.organization)
  let length = body.write('{"shipments":[', 'latin1')
  for (const [name, ofOne] of byOrganization) {
    length += body.write('{"records":[', length, 'latin1')
    const hashes = ofOne.map(({ leaf, brace, writer, end }) => {
      length += body.write('{"leaf":', length, 'latin1')
      const from = length
      length += lines.copy(body, length, leaf, brace)
      length += body.write(writer, length, 'latin1')
      const hash = leafHash(body.subarray(from, length))
      length += lines.copy(body, length, brace + 1, end)
      length += body.write('},', length, 'latin1')
      return hash
    })
    const organization = JSON.parse(name) as string | null
    const terms: ShipmentTerms = {
      ...{ point: by.point, epoch, organization, count: ofOne.length, digest: shipmentDigest(hashes) },
      first: ofOne[0]?.counter ?? 0,
      last: ofOne.at(-1)?.counter ?? 0,
    }
    const signature = signShipment(terms, by.key)
    // In the place of the last comma.
    length +=
      body.write(
        `],"organization":${name},"epoch":${epoch},"signature":"${signature}"},`,
        length - 1,
        'latin1',
      ) - 1
  }
  return length + body.write(']}', length - 1, 'latin1') - 1
}

function readLines(lines: Buffer, point: string): Line[] {
  const read: Line[] = []
  for (let from = 0, end = 0; from < lines.length; from = end + 1) {
    end = lines.indexOf(NEWLINE, from)
    read.push(readLine(lines, from, end, point))
  }
  return read
}

/** `writer` sorts behind every other member of the leaf, so the text stays canonical. */
function readLine(lines: Buffer, from: number, to: number, point: string): Line {
  const [head = '', organization = '', length] =
    HEAD.exec(lines.toString('latin1', from, Math.min(from + LONGEST_HEAD, to))) ?? []
  const [tail = '', epoch, counter, previous] =
    NUMBERS.exec(lines.toString('latin1', Math.max(from, to - LONGEST_NUMBERS), to)) ?? []
  if (head === '' || tail === '') throw new Error('A line of the spool is not one that this program writes.')
  const leaf = from + head.length
  return {
    organization,
    counter: Number(counter),
    leaf,
    brace: leaf + Number(length) - 1,
    writer: `,"writer":{"counter":${counter},"epoch":${epoch},"point":"${point}","previous":${previous}}}`,
    end: to - tail.length,
  }
}
