import { api, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { readConfig, startAuthority } from '../../packages/server/src/server/index.ts'
import { serve, settings } from '../child.ts'

/** What a node of the authority is started with; nodes of one database have one issuer and one master key. */
export interface NodeSettings {
  issuer: string
  port: number
  directory: string
  masterKey: string
  databaseUrl: string
}

const { port, directory, ...flags } = settings<NodeSettings>()
const config = readConfig({
  flags: { ...flags, httpPort: port, adminPort: 0, dataDirectory: directory, logLevel: 'error' },
})
const log = pino({ level: 'error' }, pino.destination({ dest: 2, sync: true }))
const authority = await startAuthority(config, { log, isDev: true, drainMs: 500 })
const { bootstrapCode } = authority
const client = createClient(api, { baseUrl: `http://127.0.0.1:${port}`, token: () => bootstrapCode ?? '' })
const claimed =
  bootstrapCode === null ? null : await client.session.bootstrap({ name: 'bench' }).catch(() => null)
serve(claimed?.token ?? '')
