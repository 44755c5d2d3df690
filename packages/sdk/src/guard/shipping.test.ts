import { generateKeyPairSync } from 'node:crypto'
import { type CallRecord, canonicalJson, partRecord, RecordsRequest } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attempt } from '../../../../tests/storage/audit-samples.ts'
import { checkShipment } from '../evidence/index.ts'
import { createRecorder } from './recorder.ts'
import { createRequestBodies } from './shipping.ts'
import { openSpool } from './spool/index.ts'
import { temporaryDirectory } from './spool/testing/directory.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const text = fc.string({
  unit: fc.constantFrom('a', 'é', '€', '😀', '"', '\\', '\n', '\u0000', '}'),
  maxLength: 40,
})
const organization = fc.constantFrom('org_a', 'org_b', null)
const call = fc.record({
  organization,
  tool: text,
  detail: fc.option(text),
  arguments: fc.dictionary(text, text),
})

/** What only the spool and the commitment add. */
const OF_WRITING = { writer: undefined, commitment: undefined }

test('what is shipped is what was recorded, whatever it says, each organization’s under a signature that holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 20 }), async calls => {
      using directory = temporaryDirectory()
      const spool = await openSpool({ dir: directory.path, epoch: 7 })
      const recorder = createRecorder(spool)
      const records = calls.map((fields, i): CallRecord => attempt(i + 1, { ...fields, writer: undefined }))
      await Promise.all(
        records.map(record => recorder.append({ organization: record.organization, record: () => record })),
      )
      const batch = await spool.read({ maxRecords: 500, maxBytes: 1 << 20 })
      if (!batch) throw new Error('there is a batch')
      const body = createRequestBodies({ point: 'pnt_1', key: privateKey })(batch)
      await spool.close()
      const { shipments } = RecordsRequest.parse(JSON.parse(body.toString()))
      expect(new Set(shipments.map(shipment => shipment.organization)).size).toBe(shipments.length)
      const from = { point: 'pnt_1', epoch: 7, key: publicKey }
      const arrived = shipments.flatMap(shipment => checkShipment(shipment, from).records)
      const inOrder = arrived.sort((a, b) => a.writer.counter - b.writer.counter)
      // As text: what callers name their arguments is not read the same by every parser.
      const parted = records.map(record => partRecord(record))
      expect(inOrder.map(({ data }) => data)).toEqual(
        parted.map(({ data }) => (data === null ? null : canonicalJson(data))),
      )
      expect(inOrder.map(({ leaf }) => ({ ...JSON.parse(leaf), ...OF_WRITING }))).toEqual(
        parted.map(({ leaf }) => ({ ...leaf, ...OF_WRITING })),
      )
    }),
    { numRuns: 50 },
  )
})
