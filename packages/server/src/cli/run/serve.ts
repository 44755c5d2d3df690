import type { Command } from 'commander'
import { pino } from 'pino'
import {
  type Authority,
  assertSafe,
  type Config,
  keepBootstrapCode,
  missingIn,
  readConfig,
  startAuthority,
} from '../../server/index.ts'
import { addExamples } from '../session.ts'
import type { Io } from '../terminal/index.ts'
import { releaseMemory } from './release-memory.ts'
import { untilStopped } from './stop.ts'

/** Registers `valetkey serve`: a node of the authority, in production. It does not start where that is unsafe. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('serve')
    .description('Run a node of the authority. Settings come from the environment and a file.')
    .option('-c, --config <file>', 'settings as YAML; else VALETKEY_CONFIG names the file')
    .action(async (options: { config?: string }) => serve(io, options.config ?? io.env['VALETKEY_CONFIG']))
  addExamples(command, [
    [
      'VALETKEY_ISSUER=https://auth.example.com VALETKEY_MASTER_KEY_FILE=master.key valetkey serve',
      'one node on SQLite',
    ],
    ['valetkey serve --config valetkey.yaml', 'with settings from a file: docs/configuration.md'],
  ])
}

async function serve(io: Io, file: string | undefined): Promise<void> {
  const config = readConfig({ env: io.env, file })
  assertSafe(config)
  const log = pino({ level: config.logLevel }, pino.destination(2))
  const authority = await startAuthority(config, { log })
  // Before anything says that it runs: whoever reads that may ask it to stop.
  const stopped = untilStopped(io)
  try {
    // Before it says that it serves, since it takes a moment in which nothing is answered.
    await releaseMemory()
    await announce(io, config, authority)
    await stopped
    io.err.write('valetkey stops: no new requests, those under way may end\n')
  } finally {
    await authority.close()
  }
}

/** Says where it is heard, and at the first start shows the one-time code. */
async function announce(io: Io, config: Config, authority: Authority): Promise<void> {
  const { url, address, adminUrl, bootstrapCode } = authority
  io.err.write(`valetkey serves ${url} on ${address}, health on ${adminUrl}\n`)
  for (const sentence of missingIn(config)) io.err.write(`${sentence}\n`)
  const path = await keepBootstrapCode(config.dataDirectory, bootstrapCode)
  if (bootstrapCode !== null)
    io.err.write(`
  First start. The one-time code, good for 15 minutes and one sign-in:

    ${bootstrapCode}

  It is also in ${path}. Sign in with it: valetkey login --url ${url} --code-file ${path}

`)
}
