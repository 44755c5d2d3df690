import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { pino } from 'pino'
import { type Authority, assertSafe, type Config, readConfig, startAuthority } from '../server/index.ts'
import { addExamples } from './session.ts'
import { untilStopped } from './stop.ts'
import type { Io } from './terminal/index.ts'

/** Registers `valetkey serve`: a node of the authority, in production. It does not start where that is unsafe. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('serve')
    .description('Run a node of the authority. Settings come from the environment and the file.')
    .option('-c, --config <file>', 'settings as YAML')
    .action(async (options: { config?: string }) => serve(io, options.config))
  addExamples(command, [
    [
      'VALETKEY_ISSUER=https://auth.example.com VALETKEY_MASTER_KEY_FILE=key valetkey serve',
      'one node on SQLite',
    ],
    ['valetkey serve --config valetkey.yaml', 'with settings from a file'],
  ])
}

async function serve(io: Io, file: string | undefined): Promise<void> {
  const config = readConfig({ env: io.env, file })
  assertSafe(config)
  const log = pino({ level: config.logLevel }, pino.destination(2))
  const authority = await startAuthority(config, { log })
  io.err.write(
    `valetkey serves ${authority.url} on ${config.httpHost}:${config.httpPort}, health on ${authority.adminUrl}\n`,
  )
  await announceBootstrap(io, config, authority)
  await untilStopped(io)
  io.err.write('valetkey stops: no new requests, those under way may end\n')
  await authority.close()
}

/** Shows the one-time code once, and keeps it in a file that only its owner reads. */
async function announceBootstrap(io: Io, config: Config, authority: Authority): Promise<void> {
  if (authority.bootstrapCode === null) return
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 })
  const path = join(config.dataDirectory, 'bootstrap-code')
  await writeFile(path, `${authority.bootstrapCode}\n`, { mode: 0o600 })
  io.err.write(
    `\n  First start. The one-time code, good for 15 minutes and one sign-in:\n\n    ${authority.bootstrapCode}\n\n  It is also in ${path}. Sign in: valetkey login --url ${authority.url} < ${path}\n\n`,
  )
}
