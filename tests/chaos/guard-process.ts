import { writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { createGuard } from '@valetkey/sdk/guard'
import { forgetfulFiles } from '../../packages/sdk/src/guard/spool/testing/forgetful-file.ts'
import { log, serve, settings } from './child.ts'
import { createLedgerHandler } from './ledger-server.ts'

export interface PointSettings {
  url: string
  serverKey: string
  directory: string
  port: number
  /** Whether fdatasync does what it says. */
  isHonest: boolean
}

const { port, isHonest, ...options } = settings<PointSettings>()
// At once and into a pipe, which keeps what was written when its writer is killed.
const handler = createLedgerHandler(call => void writeSync(1, `${call}\n`))
const guard = createGuard({ ...options, files: forgetfulFiles({ honest: isHonest }), log })
const server = createServer(guard.node(handler.fetch)).listen(port, '127.0.0.1')
await guard.ready()
serve({
  metrics: guard.metrics,
  async close() {
    server.close()
    server.closeAllConnections()
    await guard.close()
  },
})
