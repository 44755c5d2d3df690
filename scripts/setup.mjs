// Makes a fresh clone ready: needs nothing but Node (20 or newer) and npm, and does nothing when nothing is missing.
import { execSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const stamp = join(root, 'node_modules', '.setup')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('setup: installing packages (npm ci), about a minute')
  // The machine's npm warns that packages want a newer Node than its own: they run on the `node` package it installs.
  execSync('npm ci --no-audit --no-fund --loglevel=error', { cwd: root, stdio: ['ignore', 2, 2] })
  writeFileSync(stamp, lock)
}
