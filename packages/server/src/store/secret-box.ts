import { createCipheriv, createDecipheriv, createSecretKey, hash, hkdfSync, randomBytes } from 'node:crypto'
import { AppError } from '@valetkey/sdk/core'

/** Encrypts what must be read back (AES-256-GCM under a key derived from the master key), bound to where it is kept. */
export interface SecretBox {
  /** `context` names the place, for example `server:srv_1`; a sealed value moved elsewhere does not open. */
  seal(plain: string, context: string): string
  open(sealed: string, context: string): string
  /** A key for one purpose, base64url: the same each time, and of no help for finding out the others. */
  derive(purpose: string): string
}

/** Without it Node takes shorter tags too, which can be guessed. */
const WHOLE_TAG = { authTagLength: 16 }

export function createSecretBox(masterKey: Uint8Array): SecretBox {
  if (masterKey.length < 32)
    throw new AppError('config.invalid', 'The master key must have at least 32 bytes.')
  const key = createSecretKey(new Uint8Array(hkdfSync('sha256', masterKey, '', 'valetkey secret box v1', 32)))
  return {
    derive: purpose =>
      Buffer.from(hkdfSync('sha256', masterKey, '', `valetkey ${purpose} v1`, 32)).toString('base64url'),
    seal(plain, context) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, WHOLE_TAG).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return `v1.${Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url')}`
    },
    open(sealed, context) {
      try {
        const text = sealed.replace(/^v1\./, '')
        const bytes = Buffer.from(text, 'base64url')
        // Node reads over characters that spell nothing: what is sealed has one spelling.
        if (bytes.toString('base64url') !== text) throw new Error('This is not how it was written.')
        const nonce = bytes.subarray(0, 12)
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, WHOLE_TAG).setAAD(Buffer.from(context))
        decipher.setAuthTag(bytes.subarray(-16))
        return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')
      } catch (cause) {
        throw new AppError(
          'secret.unreadable',
          `A stored secret (${context}) does not open with this master key.`,
          {
            cause,
          },
        )
      }
    },
  }
}

/** What is kept of a secret of at least 128 random bits: its SHA-256, base64url. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url')
}
