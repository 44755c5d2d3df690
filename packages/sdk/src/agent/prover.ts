import { base64url, calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'

/** Holds the key that tokens are bound to, and proves it request by request (RFC 9449). */
export interface Prover {
  /** Thumbprint of the key, as tokens name it. */
  jkt: string
  prove(request: { method: string; url: string; token?: string }): Promise<string>
  /** Takes note of the nonce that a server wants next; true where it gave one. */
  hear(url: string, headers: Headers): boolean
}

const ALGORITHM = 'ES256'

/** A key of this process alone: it cannot be exported, and a token without it is worth nothing. */
export async function createProver(now: () => number): Promise<Prover> {
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM)
  const jwk = await exportJWK(publicKey)
  const header = { alg: ALGORITHM, typ: 'dpop+jwt', jwk }
  const nonces = new Map<string, string>()
  return {
    jkt: await calculateJwkThumbprint(jwk),
    async prove({ method, url, token }) {
      const { origin, pathname } = new URL(url)
      const nonce = nonces.get(origin)
      return new SignJWT({
        ...{ jti: crypto.randomUUID(), htm: method, htu: origin + pathname },
        ...(token !== undefined && { ath: await hashOf(token) }),
        ...(nonce !== undefined && { nonce }),
      })
        .setProtectedHeader(header)
        .setIssuedAt(Math.floor(now() / 1000))
        .sign(privateKey)
    },
    hear(url, headers) {
      const nonce = headers.get('dpop-nonce')
      if (nonce !== null) nonces.set(new URL(url).origin, nonce)
      return nonce !== null
    },
  }
}

async function hashOf(token: string): Promise<string> {
  return base64url.encode(
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))),
  )
}
