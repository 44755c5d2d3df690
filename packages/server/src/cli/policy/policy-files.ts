import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { PolicyFile } from '../../policy/index.ts'
import { type Io, UsageError } from '../terminal/index.ts'

/** The files that are named, and those below the folders that are named, in order of their names. */
export async function readFiles(io: Pick<Io, 'cwd'>, paths: readonly string[]): Promise<PolicyFile[]> {
  const files: PolicyFile[] = []
  for (const path of paths) {
    const found = await filesAt(resolve(io.cwd, path))
    if (found.length === 0)
      throw new UsageError(
        `There is no policy in ${path}.`,
        'It is no file, and no folder with .yaml files.',
        'Name a policy file or a folder of them.',
      )
    for (const file of found)
      files.push({ name: relative(io.cwd, file) || file, text: await readFile(file, 'utf8') })
  }
  return files
}

async function filesAt(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined)
  if (!info) return []
  if (!info.isDirectory()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}
