import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findAccount, preparePrograms } from './postgres-binaries.ts'

/** A real PostgreSQL of its own: own data, own port, gone with the test run. */
export interface PostgresServer {
  /** Of the database `postgres`, whose user may create others. */
  url: string
  /** Where its files lie. */
  directory: string
  start(): Promise<void>
  /** `crash` ends it as a power cut would: nothing is written any more, and the next start recovers from the log. */
  stop(how: 'orderly' | 'crash'): Promise<void>
  /** Stops the server and removes its data. */
  close(): Promise<void>
}

/** Starts a server with the given settings, for example `{ fsync: 'off' }`. Takes about a second. */
export async function startPostgres(settings: Record<string, string> = {}): Promise<PostgresServer> {
  const account = findAccount()
  const workDir = mkdtempSync(join(tmpdir(), 'valetkey-postgres-'))
  if (account) chownSync(workDir, account.uid, account.gid)
  chmodSync(workDir, 0o700)
  const programs = preparePrograms(workDir)
  const data = join(workDir, 'data')
  const options = { ...account, cwd: workDir, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } }
  // Text sorts by the rules of English unless a column says otherwise: what a usual installation does too.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US']
  const initialise = [
    `--pgdata=${data}`,
    '--auth=trust',
    '--username=postgres',
    '--no-instructions',
    ...locale,
  ]
  execFileSync(join(programs, 'initdb'), initialise, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })

  const port = await findFreePort()
  const flags = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '300',
    ...settings,
  }
  const args = [
    '-D',
    data,
    '-p',
    `${port}`,
    ...Object.entries(flags).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
  ]
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn(join(programs, 'postgres'), args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    await becomeReady(child)
  }
  async function stop(how: 'orderly' | 'crash'): Promise<void> {
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill(how === 'orderly' ? 'SIGINT' : 'SIGQUIT')
    await exited
  }
  await start()
  const watch = watchOver(workDir, join(data, 'postmaster.pid'))
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    directory: workDir,
    start,
    stop,
    async close() {
      await stop('crash')
      watch.kill()
      rmSync(workDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

/** Ends the server and removes its data when this process is gone, however it went: then its end of the pipe closes. */
function watchOver(workDir: string, pidFile: string): ChildProcess {
  const script = 'read -r _; kill -QUIT "$(head -n 1 "$1")" 2>/dev/null; sleep 1; rm -rf "$0"'
  const watch = spawn('sh', ['-c', script, workDir, pidFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watch.unref()
  return watch
}

async function becomeReady(child: ChildProcess): Promise<void> {
  let log = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', chunk => {
      // Read for as long as it runs, or the server would stop at a full pipe.
      log = (log + chunk).slice(-20_000)
      if (log.includes('ready to accept connections')) resolve()
    })
    child.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${log}`)))
    child.once('error', reject)
  })
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('unreachable: a TCP server has a port')
  return address.port
}
