import type { AdminApi, Client } from '@valetkey/sdk/contract'
import { exportJWK, generateKeyPair, type JWK } from 'jose'

/** What an agent holds: a secret and a key, each a credential of its own. */
export interface Identity {
  agent: string
  secret: { clientId: string; clientSecret: string; credential: string }
  key: { clientId: string; privateKey: JWK; credential: string }
  /** An access token by the secret, as plain HTTP gets one. */
  token(resource: string, scope?: string): Promise<string>
}

export async function identify(api: Client<AdminApi>, issuer: string, agent: string): Promise<Identity> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const bySecret = await api.credentials.create({ agent, kind: 'secret', label: 'secret' })
  const byKey = await api.credentials.create({
    agent,
    publicKey: (await exportJWK(publicKey)) as never,
    label: 'key',
  })
  const secret = {
    clientId: bySecret.clientId,
    clientSecret: bySecret.secret ?? '',
    credential: bySecret.id,
  }
  return {
    agent,
    secret,
    key: { clientId: byKey.clientId, privateKey: await exportJWK(privateKey), credential: byKey.id },
    async token(resource, scope) {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        resource,
        ...(scope !== undefined && { scope }),
      })
      const authorization = `Basic ${Buffer.from(`${secret.clientId}:${secret.clientSecret}`).toString('base64')}`
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization },
        body: form,
      })
      const answer = (await response.json()) as { access_token?: string; error?: string }
      if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`)
      return answer.access_token
    },
  }
}
