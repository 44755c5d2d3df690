import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import type { SigningKeyFact } from '../core/index.ts'
import { createTokenCheck } from './access-token.ts'

const issuer = 'https://auth.example'
const audience = 'https://billing.example/mcp'
const CLAIMS = { client_id: 'agt_1', org: 'org_1', agent: 'agt_1', cred: 'crd_1', scope: 'invoices:read' }

async function makeKey(id: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const fact: SigningKeyFact = { id, alg: 'ES256', publicJwk: { ...(await exportJWK(publicKey)) } as never }
  const sign = (kid = id) =>
    new SignJWT({ ...CLAIMS, jti: 'atk_1' })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject('agt_1')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  return { fact, sign }
}

test('a token counts once its key is known, and is not called bad before', async () => {
  const { fact, sign } = await makeKey('key_1')
  const keys = new Map<string, SigningKeyFact>()
  const check = createTokenCheck({ issuer, audience, findKey: kid => keys.get(kid), now: Date.now })
  const token = await sign()
  const open = { ok: false, isOpen: true, detail: 'no key of the issuer signed it' }
  expect(await check(token)).toEqual(open)
  keys.set('key_1', fact)
  expect(await check(token)).toMatchObject({ ok: true, caller: { token: 'atk_1', key: 'key_1' } })
  expect(await check('no.token')).toEqual({ ok: false, detail: 'it is malformed' })
  expect(await check('no token at all')).toEqual({ ok: false, detail: 'it is not a bearer token' })
})

test('a key signs for itself alone, and by its own algorithm', async () => {
  const [one, other] = [await makeKey('key_1'), await makeKey('key_2')]
  const keys = new Map([one, other].map(({ fact }) => [fact.id, fact]))
  const check = createTokenCheck({ issuer, audience, findKey: kid => keys.get(kid), now: Date.now })
  expect(await check(await one.sign('key_2'))).toEqual({ ok: false, detail: 'its signature is wrong' })
  keys.set('key_1', { ...one.fact, alg: 'EdDSA' })
  expect(await check(await one.sign())).toMatchObject({ ok: false, isOpen: true })
})
