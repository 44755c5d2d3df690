import { forgetfulFiles } from '../../packages/sdk/src/guard/spool/testing/forgetful-file.ts'
import { startGateway } from '../../packages/server/src/gateway/index.ts'
import { log, serve, settings } from './child.ts'
import type { PointSettings } from './guard-process.ts'

const { port, isHonest, ...options } = settings<PointSettings & { upstream: string }>()
const gateway = await startGateway({
  ...options,
  listen: { host: '127.0.0.1', port },
  files: forgetfulFiles({ honest: isHonest }),
  drainMs: 500,
  log,
})
serve({ metrics: gateway.metrics, close: gateway.close })
