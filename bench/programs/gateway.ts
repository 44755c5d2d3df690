import { startGateway } from '../../packages/server/src/gateway/index.ts'
import { serve, settings } from '../child.ts'

const { port, ...options } = settings<{
  url: string
  serverKey: string
  directory: string
  upstream: string
  port: number
}>()
const gateway = await startGateway({ ...options, listen: { host: '127.0.0.1', port } })
serve(null, () => Number(/^valetkey_spool_records (\d+)$/m.exec(gateway.metrics())?.[1]))
