import manifest from '../../package.json' with { type: 'json' }
import { type CommandTable, run } from './program.ts'
import { processIo } from './terminal/index.ts'

/** Every command, loaded when it is called: `valetkey why` does not wait for the authority's code. */
export const COMMANDS: CommandTable = {
  dev: () => import('./dev.ts'),
  demo: () => import('./demo.ts'),
  serve: () => import('./serve.ts'),
  gateway: () => import('./gateway.ts'),
  login: () => import('./login.ts'),
  whoami: () => import('./whoami.ts'),
  org: () => import('./org.ts'),
  person: () => import('./person.ts'),
  agent: () => import('./agent.ts'),
  service: () => import('./service-principal.ts'),
  group: () => import('./group.ts'),
  credential: () => import('./credential.ts'),
  server: () => import('./server.ts'),
  tool: () => import('./tool.ts'),
  resource: () => import('./resource.ts'),
  permission: () => import('./permission.ts'),
  role: () => import('./role.ts'),
  grant: () => import('./grant.ts'),
  key: () => import('./key.ts'),
  point: () => import('./point.ts'),
  check: () => import('./check.ts'),
  why: () => import('./why.ts'),
  what: () => import('./what.ts'),
  who: () => import('./who.ts'),
  audit: () => import('./audit.ts'),
  revoke: () => import('./revoke.ts'),
  apply: () => import('./apply.ts'),
  explain: () => import('./explain.ts'),
}

/** Runs the command line that this process was started with. */
export async function main(): Promise<void> {
  process.exitCode = await run(process.argv.slice(2), processIo(), COMMANDS, manifest.version)
}
