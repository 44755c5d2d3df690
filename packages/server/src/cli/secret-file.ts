import { open, readFile, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import * as z from 'zod'
import { type Io, UsageError } from './terminal/index.ts'

/**
 * Makes a new file that only its owner can read, for a secret that is yet to be made: so that nothing is created
 * elsewhere whose secret then has no place to go. An existing file is never overwritten. One that got no secret is gone
 * at disposal.
 */
export async function reserveSecretFile(io: Pick<Io, 'cwd'>, file: string) {
  const path = resolve(io.cwd, file)
  const handle = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'It exists already, and is not overwritten.' : error.message
    throw new UsageError(`Cannot write ${file}.`, why, 'Name another file.')
  })
  let isWritten = false
  return {
    async write(text: string): Promise<string> {
      await handle.writeFile(text)
      await handle.sync()
      isWritten = true
      return path
    },
    /** For a secret that opens nothing any more. */
    remove: () => rm(path, { force: true }),
    async [Symbol.asyncDispose]() {
      await handle.close()
      if (!isWritten) await rm(path, { force: true })
    },
  }
}

/** A private key as JWK, from a file. */
export async function readKey(
  io: Pick<Io, 'cwd'>,
  file: string,
): Promise<{ kty: 'EC' | 'OKP' | 'RSA'; d: string }> {
  const text = await readFile(resolve(io.cwd, file), 'utf8')
  try {
    return PrivateJwk.parse(JSON.parse(text))
  } catch {
    throw new UsageError(`${file} is no private key as JWK.`, 'It has "kty" and "d".')
  }
}
const PrivateJwk = z.looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']), d: z.string() })

/** One line of a file or of the standard input: never an argument, which everyone on the machine can read. */
export async function readValue(io: Io, file: string | undefined): Promise<string> {
  const text = file === undefined ? await io.in.readAll() : await readFile(resolve(io.cwd, file), 'utf8')
  const value = text.trim()
  if (value === '' || /[\r\n]/.test(value))
    throw new UsageError('The value is empty or more than a line.', 'A header holds one line.')
  return value
}
