import { createServer } from 'node:http'
import { createGuard } from '@valetkey/sdk/guard'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'

/** What a point is started with: the authority's name, and the place where this point in fact reaches it. */
export interface PointSettings {
  issuer: string
  via: string
  serverKey: string
  directory: string
  port: number
}

const { issuer, via, serverKey, directory, port } = JSON.parse(process.argv[2] ?? '{}') as PointSettings
const direct = globalThis.fetch
globalThis.fetch = (input, init) =>
  typeof input === 'string' ? direct(input.replace(issuer, via), init) : direct(input, init)

const { fetch: handler } = createBillingHandler()
const guard = createGuard({ url: issuer, serverKey, directory })
createServer(guard.node((request, extra) => handler(request, extra))).listen(port, '127.0.0.1')
await guard.ready()
process.once('disconnect', () => process.exit(0))
process.send?.('ready')
