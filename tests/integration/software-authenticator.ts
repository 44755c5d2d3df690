import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto'
import { isoCBOR } from '@simplewebauthn/server/helpers'

/** What an authenticator, or whoever plays one, may get wrong. */
export interface Lies {
  origin?: string
  rpId?: string
  /** Whether it asked who holds it. */
  isVerified?: boolean
  counter?: number
  handle?: string
  type?: string
  /** Signs something else than what it says. */
  isForged?: boolean
}

export type SoftwareAuthenticator = ReturnType<typeof createSoftwareAuthenticator>

/** A device that holds one passkey and answers as WebAuthn says, or as a test wants it to. */
export function createSoftwareAuthenticator(origin: string) {
  const rpId = new URL(origin).hostname
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(32)
  let counter = 0
  let owner = ''
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest()
  const base64url = (data: Buffer | string) => Buffer.from(data).toString('base64url')

  function clientData(type: string, challenge: string, lies: Lies): Buffer {
    return Buffer.from(JSON.stringify({ type: lies.type ?? type, challenge, origin: lies.origin ?? origin }))
  }
  function authenticatorData(lies: Lies, attested?: Buffer): Buffer {
    const { isVerified = true } = lies
    const flags = 0x01 | (isVerified ? 0x04 : 0) | (attested ? 0x40 : 0)
    const count = Buffer.alloc(4)
    count.writeUInt32BE(lies.counter ?? ++counter)
    return Buffer.concat([hash(lies.rpId ?? rpId), Buffer.of(flags), count, attested ?? Buffer.alloc(0)])
  }
  const answer = (response: object) =>
    JSON.stringify({ id: base64url(id), rawId: base64url(id), type: 'public-key', response })

  return {
    id: base64url(id),
    /** Makes its passkey for whoever the options name. */
    create(options: string, lies: Lies = {}): string {
      const { challenge, user } = JSON.parse(options) as { challenge: string; user: { id: string } }
      owner = user.id
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
      const key = isoCBOR.encode(
        new Map<number, number | Uint8Array>([
          ...([
            [1, 2],
            [3, -7],
            [-1, 1],
          ] as const),
          ...([
            [-2, Buffer.from(x, 'base64url')],
            [-3, Buffer.from(y, 'base64url')],
          ] as const),
        ]),
      )
      const attested = Buffer.concat([Buffer.alloc(16), Buffer.of(0, id.length), id, key])
      const attestation = new Map<string, string | Map<string, string> | Uint8Array>([
        ['fmt', 'none'],
        ['attStmt', new Map<string, string>()],
        ['authData', authenticatorData(lies, attested)],
      ])
      return answer({
        attestationObject: base64url(Buffer.from(isoCBOR.encode(attestation))),
        clientDataJSON: base64url(clientData('webauthn.create', challenge, lies)),
      })
    },
    /** Answers a challenge with it. */
    get(options: string, lies: Lies = {}): string {
      const { challenge } = JSON.parse(options) as { challenge: string }
      const client = clientData('webauthn.get', challenge, lies)
      const data = authenticatorData(lies)
      const signed = lies.isForged
        ? Buffer.concat([data, hash('something else')])
        : Buffer.concat([data, hash(client)])
      return answer({
        authenticatorData: base64url(data),
        clientDataJSON: base64url(client),
        signature: base64url(createSign('sha256').update(signed).sign(privateKey)),
        userHandle: lies.handle ?? owner,
      })
    },
  }
}
