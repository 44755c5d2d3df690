import { constants } from 'node:fs'
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@valetkey/sdk/core'

const NOTE = 'instance'
const CODE = 'bootstrap-code'

/** Makes the directory of a node, for its owner alone. */
export async function openDataDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw unwritable(directory, cause)
  }
}

/**
 * Notes at the first start which database this node works with, and refuses another one at every later start: a setting
 * that got lost must not look like an authority that has lost everything.
 */
export async function requireSameDatabase(directory: string, instanceId: string): Promise<void> {
  const path = join(directory, NOTE)
  const known = await readIfThere(path)
  if (known === undefined) return writeNew(path, instanceId)
  if (known === instanceId) return
  throw new AppError(
    'store.other',
    `This is database ${instanceId}, and the node has worked with ${known} so far. Point it back at that one; if the change is meant, remove ${path}.`,
  )
}

/** Keeps the one-time code of a first start in a file that only its owner reads; without a code, none is left behind. */
export async function keepBootstrapCode(directory: string, code: string | null): Promise<string> {
  const path = join(directory, CODE)
  await rm(path, { force: true })
  if (code !== null) await writeNew(path, code)
  return path
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true })
  } catch (cause) {
    throw unwritable(path, cause)
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new AppError('config.invalid', `${path} cannot be read.`, { cause })
  }
}

function unwritable(path: string, cause: unknown): AppError {
  const why = WHY[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'it cannot be used'
  return new AppError(
    'config.invalid',
    `${path} cannot be written: ${why}. dataDirectory (VALETKEY_DATA_DIRECTORY) names the directory.`,
    { cause, path: 'dataDirectory' },
  )
}

const WHY: Record<string, string> = {
  EACCES: 'it belongs to somebody else',
  EPERM: 'it belongs to somebody else',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of its path is no directory',
  EEXIST: 'it is no directory',
}
