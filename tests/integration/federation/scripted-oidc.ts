import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'

/** What a test may have the provider say otherwise than it should. */
export interface Script {
  header?: { alg: string; kid?: string; typ?: string }
  claims?: Record<string, unknown>
  /** Signs with this instead of the provider's key. */
  key?: CryptoKey | Uint8Array
  /** Says this instead of an ID token. */
  idToken?: string
  /** The `iss` of the authorization response. */
  iss?: string | null
  discovery?: (response: ServerResponse) => void
}

export type ScriptedOidc = Awaited<ReturnType<typeof openScriptedOidc>>

/** A provider on loopback that says whatever the test wants it to: for the attacks that an honest one cannot make. */
export async function openScriptedOidc(clientId: string) {
  const keys = await generateKeyPair('RS256', { extractable: true })
  const publicJwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
  let script: Script = {}
  let nonce = ''
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', issuer)
    const json = (body: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return script.discovery ? script.discovery(response) : json(metadata)
      case '/jwks':
        return json({ keys: [publicJwk] })
      case '/authorize': {
        nonce = url.searchParams.get('nonce') ?? ''
        const back = new URL(url.searchParams.get('redirect_uri') ?? '')
        back.searchParams.set('state', url.searchParams.get('state') ?? '')
        back.searchParams.set('code', 'a-code')
        if (script.iss !== null) back.searchParams.set('iss', script.iss ?? issuer)
        return response.writeHead(302, { location: back.href }).end()
      }
      case '/token':
        return void idToken().then(id_token =>
          json({ access_token: 'at', token_type: 'Bearer', expires_in: 60, id_token }),
        )
    }
    return response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const metadata = {
    ...{ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
    ...{
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
    },
    id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
    authorization_response_iss_parameter_supported: true,
  }

  function sign(claims: Record<string, unknown>, { header, key }: Script = {}): Promise<string> {
    const given = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
    return new SignJWT(given)
      .setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header })
      .sign(key ?? keys.privateKey)
  }

  async function idToken(): Promise<string> {
    if (script.idToken !== undefined) return script.idToken
    const now = Math.floor(Date.now() / 1000)
    const good = { iss: issuer, aud: clientId, sub: 'sub-maya', nonce, iat: now, exp: now + 60 }
    const about = { email: 'maya@scripted.test', email_verified: true, name: 'Maya' }
    return sign({ ...good, ...about, ...script.claims }, script)
  }

  return {
    issuer,
    publicJwk,
    sign,
    say(next: Script) {
      script = next
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A JWT that nobody signed. */
export function unsigned(claims: object, header: object = { alg: 'none' }): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.`
}
