import { writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openAudit } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { attempt } from './audit-samples.ts'
import { ship } from './shipping.ts'

/** Ships records from a number on until it is killed, and says on its output up to which they were acknowledged. */
const [path = '', from = '0'] = process.argv.slice(2)
const store = await openStore({
  url: `sqlite:${join(dirname(path), 'valetkey.db')}`,
  masterKey: new Uint8Array(32).fill(7),
})
const audit = await openAudit({
  ...{ store, path, origin: 'auth.test/log', now: () => Date.UTC(2026, 8, 30), headRecords: 60 },
})
for (let counter = Number(from); ; counter += 10) {
  await ship(
    audit,
    'pnt_1',
    1,
    Array.from({ length: 10 }, (_, i) => attempt(counter + i + 1)),
  )
  writeSync(1, `${counter + 10}\n`)
}
