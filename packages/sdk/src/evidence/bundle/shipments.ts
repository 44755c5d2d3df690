import type { KeyObject } from 'node:crypto'
import type { JsonObject, ShipmentTerms } from '../../core/index.ts'
import { isSignedShipment, shipmentDigest } from '../shipment.ts'
import type { Leaves } from './leaves.ts'
import type { Finding } from './report.ts'
import type { Vouching } from './vouching.ts'

/** An entry by which an enforcement point vouches for records of the log. */
export interface ShipmentEntry {
  index: number
  leaf: JsonObject
}

/**
 * Checks that an enforcement point signed the records that a shipment names. Undefined where it did, and where the entry
 * does not say which records they are.
 */
export function checkShipmentEntry(
  { index, leaf }: ShipmentEntry,
  known: { points: ReadonlyMap<string, KeyObject>; leaves: Leaves; vouching: Vouching },
): { isChecked: boolean; finding?: Finding } {
  const { places, signature, ...said } = leaf
  const terms = { ...said, organization: said['organization'] ?? null } as unknown as ShipmentTerms & {
    id: string
  }
  const range = rangeOf(places)
  const found = (sentence: string) => ({
    isChecked: true,
    finding: { kind: 'forged' as const, ...(range ?? { first: index, last: index }), id: terms.id, sentence },
  })
  const { points, leaves, vouching } = known
  const key = points.get(terms.point)
  if (!key) return found(`The key of ${terms.point}, which shipped in ${index}, is not in the bundle.`)
  if (typeof signature !== 'string' || !isSignedShipment(terms, signature, key))
    return found(`Entry ${index} is not signed by ${terms.point}.`)
  if (places === undefined) return { isChecked: false }
  if (countOf(places) !== terms.count)
    return found(`Entry ${index} names other records than it was signed for.`)
  const hashes = hashesAt(places, leaves)
  // What is not there is found as dropped, and the records that are left cannot be told from it.
  if (!hashes) return { isChecked: false }
  if (shipmentDigest(hashes) === terms.digest) {
    for (const index of indexesIn(places)) vouching.vouch(index, terms.point)
    return { isChecked: true }
  }
  const numbers = `${terms.first} to ${terms.last}`
  return found(
    `Among the records ${range?.first} to ${range?.last} are others than ${terms.point} signed as its ${numbers} of start ${terms.epoch}.`,
  )
}

function hashesAt(places: unknown, leaves: Leaves): Buffer[] | undefined {
  const hashes: Buffer[] = []
  for (const place of placesIn(places)) {
    if (typeof place === 'string') hashes.push(Buffer.from(place, 'base64url'))
    else
      for (let index = place[0]; index < place[0] + place[1]; index++) {
        const hash = leaves.stated(index)
        if (!hash) return undefined
        hashes.push(hash)
      }
  }
  return hashes
}

function* indexesIn(places: unknown): Generator<number> {
  for (const place of placesIn(places))
    if (typeof place !== 'string')
      for (let index = place[0]; index < place[0] + place[1]; index++) yield index
}

function countOf(places: unknown): number {
  return placesIn(places).reduce((sum, place) => sum + (typeof place === 'string' ? 1 : place[1]), 0)
}

function rangeOf(places: unknown): { first: number; last: number } | undefined {
  const runs = placesIn(places).filter(place => typeof place !== 'string')
  if (runs.length === 0) return undefined
  return {
    first: Math.min(...runs.map(([first]) => first)),
    last: Math.max(...runs.map(([first, count]) => first + count - 1)),
  }
}

/** Places as `shipmentEntry` of the authority writes them: runs of entries, or hashes of what is not in the log. */
export function placesIn(places: unknown): (string | [number, number])[] {
  if (!Array.isArray(places)) return []
  return places.filter(
    (place): place is string | [number, number] =>
      typeof place === 'string' ||
      (Array.isArray(place) &&
        place.length === 2 &&
        place.every(number => Number.isSafeInteger(number) && number >= 0)),
  )
}
