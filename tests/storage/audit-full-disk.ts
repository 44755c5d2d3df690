import { openAudit } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { attempt } from './audit-samples.ts'
import { ship } from './shipping.ts'

/**
 * Run under `ulimit -f`: ships records and seals them until the file may not grow, then says as JSON what was
 * acknowledged, what was refused with, and what can be found.
 */
const [url = '', path = ''] = process.argv.slice(2)
const store = await openStore({ url, masterKey: new Uint8Array(32).fill(7) })
const audit = await openAudit({ store, path, origin: 'auth.test/log', now: () => Date.UTC(2026, 8, 30) })
let acknowledged = 0
const errors: string[] = []
const sealErrors: string[] = []
const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)
for (let batch = 0; batch < 2000 && errors.length < 3; batch++) {
  const records = Array.from({ length: 10 }, (_, index) => attempt(acknowledged + index + 1))
  try {
    await ship(audit, 'pnt_1', 1, records)
    acknowledged += records.length
  } catch (error) {
    errors.push(codeOf(error))
  }
  if (batch % 5 === 4) await audit.logs.seal().catch(error => sealErrors.push(codeOf(error)))
}
const { rows } = await audit.who({})
console.log(JSON.stringify({ acknowledged, errors, sealErrors, found: rows[0]?.permitted ?? 0 }))
process.exit(0)
