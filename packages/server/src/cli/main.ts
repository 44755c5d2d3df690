import manifest from '../../package.json' with { type: 'json' }
import { type CommandTable, run } from './program.ts'
import { processIo } from './terminal/index.ts'

/** Every command, loaded when it is called: `valetkey why` does not wait for the authority's code. */
export const COMMANDS: CommandTable = {
  dev: () => import('./run/dev.ts'),
  demo: () => import('./run/demo.ts'),
  serve: () => import('./run/serve.ts'),
  gateway: () => import('./run/gateway/gateway.ts'),
  witness: () => import('./run/witness.ts'),
  doctor: () => import('./doctor/doctor.ts'),
  login: () => import('./login.ts'),
  whoami: () => import('./whoami.ts'),
  org: () => import('./organization/org.ts'),
  person: () => import('./principal/person.ts'),
  idp: () => import('./organization/idp.ts'),
  domain: () => import('./organization/domain.ts'),
  issuer: () => import('./organization/issuer.ts'),
  scim: () => import('./organization/scim.ts'),
  signal: () => import('./organization/signal.ts'),
  agent: () => import('./principal/agent.ts'),
  service: () => import('./principal/service-principal.ts'),
  group: () => import('./principal/group.ts'),
  credential: () => import('./principal/credential.ts'),
  server: () => import('./server/server.ts'),
  tool: () => import('./server/tool.ts'),
  resource: () => import('./resource/resource.ts'),
  permission: () => import('./server/permission.ts'),
  role: () => import('./policy/role.ts'),
  grant: () => import('./principal/grant.ts'),
  request: () => import('./principal/request.ts'),
  delegation: () => import('./principal/delegation.ts'),
  key: () => import('./organization/key.ts'),
  point: () => import('./server/point.ts'),
  check: () => import('./question/check.ts'),
  why: () => import('./question/why.ts'),
  what: () => import('./question/what.ts'),
  who: () => import('./question/who.ts'),
  alert: () => import('./organization/alert.ts'),
  sink: () => import('./organization/sink.ts'),
  audit: () => import('./question/audit.ts'),
  revoke: () => import('./revocation/revoke.ts'),
  freeze: () => import('./revocation/freeze.ts'),
  thaw: () => import('./revocation/thaw.ts'),
  measure: () => import('./run/measure.ts'),
  apply: () => import('./policy/apply.ts'),
  lint: () => import('./policy/lint.ts'),
  explain: () => import('./question/explain.ts'),
}

/** Runs the command line that this process was started with. */
export async function main(): Promise<void> {
  process.exitCode = await run(process.argv.slice(2), processIo(), COMMANDS, manifest.version)
}
