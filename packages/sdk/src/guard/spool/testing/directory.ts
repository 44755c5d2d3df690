import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory of the test's own, removed at the end of its scope. */
export function temporaryDirectory(): { path: string; [Symbol.dispose]: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'valetkey-spool-'))
  return { path: join(root, 'spool'), [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
