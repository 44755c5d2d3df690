import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { RESOURCE, startStage } from './oauth-stage.ts'

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const EMAIL = 'maya@northwind.test'
export const HERE = { organization: 'northwind' }

/** A private key of an issuer, and what it calls it. */
export interface Signer {
  key: CryptoKey
  kid: string
}

export async function newSigner(kid: string, alg = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { key: privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/** An authority with two organizations, and an issuer elsewhere on a site of its own. */
export async function startIssuerStage() {
  const [signer, other] = [await newSigner('k1'), await newSigner('k1')]
  const keys: object[] = [signer.jwk]
  const site = await startSite((request, response) => {
    const issuer = site.url
    if (request.url?.endsWith('/keys')) sendJson(response, { keys })
    else sendJson(response, { issuer, jwks_uri: `${issuer}/keys` })
  })
  const stage = await startStage({ issuerPrivateHosts: site.host })
  await stage.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await stage.api.people.create({ organization: 'contoso', email: 'jon@contoso.test', name: 'Jon' })
  return {
    ...stage,
    site,
    /** The keys that the site shows, who holds the private one, and somebody who has another by the same name. */
    ...{ keys, signer, other },
    agent(name: string, kind: 'autonomous' | 'both' = 'autonomous', organization = 'northwind') {
      const owner = organization === 'contoso' ? 'jon@contoso.test' : EMAIL
      return stage.api.agents.create({ organization, name, owner, kind, ceiling: ['invoices:*'] })
    },
    /** What an issuer says; undefined leaves a claim out. */
    async say(
      claims: Record<string, unknown>,
      { key, kid }: Signer = signer,
      header: object = {},
    ): Promise<string> {
      const iat = Math.floor(stage.now() / 1000)
      const all = { iss: site.url, aud: stage.url, iat, exp: iat + 300, jti: crypto.randomUUID(), ...claims }
      const said = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
      return new SignJWT(said).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(key)
    },
    bring: (assertion: string, more: Record<string, string> = {}) =>
      stage.send('/token', { grant_type: JWT_BEARER, assertion, resource: RESOURCE, ...more }),
    async lastRefusal() {
      const events = await stage.events('token.refused')
      return (events[0]?.detail as { reason?: string } | undefined)?.reason
    },
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]()
      await site[Symbol.asyncDispose]()
    },
  }
}

export type IssuerStage = Awaited<ReturnType<typeof startIssuerStage>>
