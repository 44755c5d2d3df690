import { randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { EXCHANGE } from './delegation-stage.ts'
import type { Answered, OauthStage } from './oauth-stage.ts'

export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

type More = Record<string, string | undefined>

/** An MCP server at the authority: by its own key, with a key that its tokens are bound to. */
export interface Service {
  key: string
  /** Thumbprint of the key of its proofs. */
  jkt: string
  prove(nonce?: string): Promise<string>
  /** What it is answered when it wants to call another one with a token that it was shown. */
  forward(token: unknown, more: More & { resource?: string | undefined }): Promise<Answered>
  /** Whether a token that is for it is good now. */
  isActive(token: unknown): Promise<boolean>
}

export async function openService(stage: OauthStage, server: string, known?: string): Promise<Service> {
  const key = known ?? (await stage.api.serverKeys.create({ server })).key ?? ''
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const authorization = `Bearer ${key}`
  let latest: string | undefined
  const prove = (nonce = latest) =>
    new SignJWT({
      ...{ jti: randomUUID(), htm: 'POST', htu: `${stage.url}/token` },
      ...{ iat: Math.floor(stage.now() / 1000), nonce },
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(privateKey)
  return {
    key,
    jkt: await calculateJwkThumbprint(jwk),
    prove,
    async forward(token, more) {
      const form = {
        ...{ grant_type: EXCHANGE, subject_token: String(token), subject_token_type: ACCESS_TOKEN },
        ...more,
      }
      const send = async () => stage.send('/token', form, { authorization, dpop: await prove() })
      const answer = await send()
      if (answer['nonce'] !== undefined) latest = String(answer['nonce'])
      return answer['error'] === 'use_dpop_nonce' ? send() : answer
    },
    async isActive(token) {
      const form = { token: String(token) }
      return (await stage.send('/token/introspection', form, { authorization }))['active'] === true
    },
  }
}
