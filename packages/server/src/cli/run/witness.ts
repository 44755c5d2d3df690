import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createNoteSigner, newNoteSeed, parseTrust } from '@valetkey/sdk/evidence'
import type { Command } from 'commander'
import { startWitness } from '../../witness/index.ts'
import { addExamples } from '../session.ts'
import { type Io, UsageError } from '../terminal/index.ts'
import { parseListen } from './listen.ts'
import { untilStopped } from './stop.ts'

interface Options {
  name: string
  directory: string
  trustFile: string
  listen: string
}

/** Registers `valetkey witness`: whoever runs one elsewhere can show that a log has had one history only. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('witness')
    .description('Cosign checkpoints of logs that go on from what was seen before, and no others.')
    .requiredOption('--name <name>', 'its name, an address without a scheme: witness.example.org/w1')
    .requiredOption('--trust-file <file>', 'keys of the logs, as "valetkey audit key ls" prints them')
    .option('--directory <path>', 'where its key is, and what it has seen', '.valetkey/witness')
    .option('--listen <address>', 'where authorities are heard: a port, or HOST:PORT', '127.0.0.1:4640')
    .action(async (options: Options) => run(io, options))
  addExamples(command, [
    [
      'valetkey witness --name witness.example.org/w1 --trust-file northwind.keys --listen 4640',
      'best on a machine of somebody else',
    ],
    [
      "VALETKEY_AUDIT_WITNESSES='witness.example.org/w1+3fa1c2d4+BA… https://witness.example.org' valetkey serve",
      'at the authority: ask it',
    ],
  ])
}

async function run(io: Io, options: Options): Promise<void> {
  const directory = resolve(io.cwd, options.directory)
  const lines = (await readFile(resolve(io.cwd, options.trustFile), 'utf8')).split('\n')
  const trust = parseTrust(lines.filter(line => line.trim() !== '' && !line.startsWith('#')))
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const signer = createNoteSigner(options.name, 'cosignature', keepSeed(join(directory, 'key')))
  const witness = await startWitness({
    directory: join(directory, 'seen'),
    signer,
    trust,
    ...parseListen(options.listen),
  })
  io.out.write(
    `valetkey witness: cosigns as ${options.name}\n  listens   ${witness.url}\n  key       ${signer.vkey}\n  authority VALETKEY_AUDIT_WITNESSES='${signer.vkey} ${witness.url}'\n`,
  )
  await untilStopped(io)
  await witness.close()
}

/** Its key: made at the first start, and never again. */
function keepSeed(path: string): Buffer {
  try {
    const descriptor = openSync(path, 'wx', 0o600)
    writeSync(descriptor, `${newNoteSeed().toString('base64')}\n`)
    fsyncSync(descriptor)
    closeSync(descriptor)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const seed = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (seed.length === 32) return seed
  throw new UsageError(
    `${path} holds no key.`,
    'It was damaged, or is another file.',
    'Restore it, or name another directory.',
  )
}
