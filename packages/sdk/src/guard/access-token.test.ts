import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { createTokenCheck } from './access-token.ts'

const issuer = 'https://auth.example'
const audience = 'https://billing.example/mcp'

async function someToken(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256')
  return new SignJWT({ jti: 'atk_1' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime('5m')
    .sign(privateKey)
}

test('a token is not called bad while the keys of the issuer are out of reach', async () => {
  const authority = createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1')
  await once(authority, 'listening')
  const jwksUri = `http://127.0.0.1:${(authority.address() as AddressInfo).port}/jwks`
  const check = createTokenCheck({ issuer, jwksUri, audience, now: Date.now })
  const token = await someToken()
  const open = { ok: false, isOpen: true, detail: 'the keys of the issuer could not be fetched' }
  expect(await check(token)).toEqual(open)
  authority.closeAllConnections()
  await new Promise(resolve => authority.close(resolve))
  expect(await check(token)).toEqual(open)
  expect(await check('no token at all')).toEqual({ ok: false, detail: 'it is malformed' })
})
