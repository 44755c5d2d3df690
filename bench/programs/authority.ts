import { startDevAuthority } from '../../packages/server/src/cli/run/dev-authority.ts'
import { serve, settings } from '../child.ts'

const { authority, token } = await startDevAuthority({
  ...settings<{ directory: string; port: number; settings: { trustedProxies: string } }>(),
  logLevel: 'error',
})
serve({ url: authority.url, token })
