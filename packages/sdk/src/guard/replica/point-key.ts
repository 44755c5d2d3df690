import { createPrivateKey, type JsonWebKeyInput, type KeyObject, randomUUID } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import * as z from 'zod'
import { AppError } from '../../core/index.ts'

const KeyFile = z.object({
  v: z.literal(1),
  signing: z.record(z.string(), z.json()),
  sealing: z.record(z.string(), z.json()),
})

/** The keys of one enforcement point: one to sign with, one that upstream credentials are encrypted to. */
export interface PointKeys {
  /** The same key twice, since tokens and plain signatures are made by different hands. */
  signing: { publicJwk: JWK; privateKey: CryptoKey; key: KeyObject }
  sealing: { publicJwk: JWK; privateKey: CryptoKey }
}

/** Reads the keys of this point, or makes them at its first start. The file is readable by its owner alone. */
export async function loadPointKeys(directory: string): Promise<PointKeys> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'point.json')
  const text = await readFile(path, 'utf8').catch(cause => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new AppError('config.invalid', `The key file ${path} cannot be read.`, { cause })
  })
  const stored = text === undefined ? await createKeyFile(directory, path) : parseKeyFile(path, text)
  return {
    signing: {
      ...(await toKey(stored.signing as JWK, 'ES256')),
      key: createPrivateKey({ key: stored.signing as JsonWebKeyInput['key'], format: 'jwk' }),
    },
    sealing: await toKey(stored.sealing as JWK, 'ECDH-ES'),
  }
}

function parseKeyFile(path: string, text: string): z.infer<typeof KeyFile> {
  try {
    return KeyFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError(
      'config.invalid',
      `The key file ${path} is damaged. Move it away: a new point will register.`,
      {
        cause,
      },
    )
  }
}

async function createKeyFile(directory: string, path: string): Promise<z.infer<typeof KeyFile>> {
  const signing = await generateKeyPair('ES256', { extractable: true })
  const sealing = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true })
  const content = KeyFile.parse({
    v: 1,
    signing: await exportJWK(signing.privateKey),
    sealing: await exportJWK(sealing.privateKey),
  })
  const draft = join(directory, `point.${randomUUID()}.tmp`)
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(JSON.stringify(content))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await chmod(path, 0o600)
  return content
}

async function toKey(jwk: JWK, alg: string): Promise<{ publicJwk: JWK; privateKey: CryptoKey }> {
  const { kty, crv, x, y } = jwk
  const publicJwk = { kty, crv, x, y } as JWK
  return { publicJwk, privateKey: (await importJWK(jwk, alg)) as CryptoKey }
}
