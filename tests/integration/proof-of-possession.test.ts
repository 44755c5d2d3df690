import { createHash, randomUUID } from 'node:crypto'
import { DpopSession } from '@modelcontextprotocol/client'
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type DelegationStage,
  EXCHANGE,
  HANDLE,
  type Hand,
  startDelegationStage,
} from './delegation-stage.ts'
import { type Answered, RESOURCE } from './oauth-stage.ts'

let stage: DelegationStage
let session: DpopSession
let key: CryptoKey
let jwk: object
beforeAll(async () => {
  stage = await startDelegationStage()
  session = await DpopSession.create()
  const pair = await generateKeyPair('ES256', { extractable: true })
  key = pair.privateKey
  jwk = await exportJWK(pair.publicKey)
})
afterAll(() => stage?.[Symbol.asyncDispose]())
beforeEach(() => stage.passTime(2_000))

const FORM = { grant_type: 'client_credentials', resource: RESOURCE }
const seconds = () => Math.floor(stage.now() / 1000)

/** A proof with what a test changes in it; the clock is the authority's. */
function prove(path: string, change: object = {}, header: object = {}): Promise<string> {
  const claims = { jti: randomUUID(), htm: 'POST', htu: stage.url + path, iat: seconds(), ...change }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header } as { alg: string })
    .sign(key)
}

const ask = (hand: Hand, dpop: string, form: Record<string, string> = FORM, path = '/token') =>
  hand.send(path, form, { dpop })
const boundTo = (answer: Answered) =>
  decodeJwt<{ cnf?: { jkt: string } }>(String(answer['access_token'])).cnf?.jkt

test('a token is bound to the key that the request proves, and is bearer without one', async () => {
  const { a } = stage
  const bound = await ask(a, await prove('/token'))
  expect(bound).toMatchObject({ status: 200, token_type: 'DPoP', nonce: expect.any(String) })
  expect(boundTo(bound)).toBe(await calculateJwkThumbprint(jwk))
  const seen = await a.send('/token/introspection', { token: String(bound['access_token']) })
  expect(seen).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: boundTo(bound) } })

  const free = await a.send('/token', FORM)
  expect([free.status, free['token_type'], boundTo(free)]).toEqual([200, 'Bearer', undefined])
})

test("another implementation's proofs are taken", async () => {
  const url = `${stage.url}/token`
  // Its clock is the machine's.
  stage.passTime(Date.now() - stage.now())
  const dpop = await session.buildProof({ htm: 'POST', htu: url })
  const answer = await ask(stage.b, dpop)
  expect([answer.status, boundTo(answer)]).toEqual([200, session.thumbprint])
})

test.for<[string, object, object, string]>([
  ['for another method', { htm: 'GET' }, {}, 'another method'],
  ['for another endpoint', { htu: 'https://elsewhere.test/token' }, {}, 'another address'],
  ['for another path', { htu: 'http://127.0.0.1/delegations' }, {}, 'another address'],
  ['of ten minutes ago', { iat: -600 }, {}, 'check the clock'],
  ['from in ten minutes', { iat: 600 }, {}, 'check the clock'],
  ['without an id', { jti: undefined }, {}, 'lacks the claim jti'],
  ['with a nonce of somebody else', { nonce: 'x' }, {}, 'needs the nonce'],
  ['of another type', {}, { typ: 'JWT' }, 'header'],
  ['with a key of symmetry', {}, { jwk: { kty: 'oct', k: 'c2VjcmV0' } }, 'header'],
])('a proof %s is refused, and binds nothing', async ([, change, header, sentence]) => {
  const moved = 'iat' in change ? { iat: seconds() + Number(change.iat) } : change
  const answer = await ask(stage.a, await prove('/token', moved, header))
  expect(answer).toMatchObject({ status: 400, error_description: expect.stringContaining(sentence) })
  expect(answer['error']).toMatch(/^(invalid_dpop_proof|use_dpop_nonce)$/)
})

test('a proof that was shown before, or that another key signed, is refused', async () => {
  const dpop = await prove('/token')
  expect((await ask(stage.a, dpop)).status).toBe(200)
  expect(await ask(stage.b, dpop)).toMatchObject({ error: 'invalid_dpop_proof' })
  const { publicKey } = await generateKeyPair('ES256', { extractable: true })
  const foreign = await prove('/token', {}, { jwk: await exportJWK(publicKey) })
  expect(await ask(stage.a, foreign)).toMatchObject({
    error: 'invalid_dpop_proof',
    error_description: 'the proof has a wrong signature',
  })
  // Two headers arrive as one, and are none.
  expect(await ask(stage.a, `${await prove('/token')}, ${await prove('/token')}`)).toMatchObject({
    error: 'invalid_dpop_proof',
  })
})

test('of an agent that must, every endpoint wants a proof with a nonce, and what was bearer ends', async () => {
  const { api, c, d } = stage
  const bearer = await c.send('/token', FORM)
  expect(await c.isActive(bearer['access_token'])).toBe(true)
  expect(await api.agents.update({ id: 'charlie', dpop: true })).toMatchObject({ dpop: true })
  // Whoever copied a token while it was bearer has nothing any more.
  expect(await c.isActive(bearer['access_token'])).toBe(false)

  const unproven = { status: 400, error: 'invalid_dpop_proof' }
  expect(await c.send('/token', FORM)).toMatchObject(unproven)
  expect(await c.delegate(d)).toMatchObject(unproven)
  const first = await ask(c, await prove('/token'))
  expect(first).toMatchObject({ status: 400, error: 'use_dpop_nonce', nonce: expect.any(String) })
  const good = await ask(c, await prove('/token', { nonce: first['nonce'] }))
  expect(good).toMatchObject({ status: 200, token_type: 'DPoP' })
  expect(await c.isActive(good['access_token'])).toBe(true)
  // One that was made in advance is of no use later.
  stage.passTime(90_000)
  expect(await ask(c, await prove('/token', { nonce: first['nonce'], iat: seconds() }))).toMatchObject({
    error: 'use_dpop_nonce',
  })

  const nonce = (await ask(c, await prove('/token')))['nonce']
  const hand = await ask(c, await prove('/delegations', { nonce }), { delegate: 'delta' }, '/delegations')
  expect(hand).toMatchObject({ status: 200, delegate: d.id })
  await api.agents.update({ id: 'charlie', dpop: false })
})

test('an exchanged token is bound to the key of who exchanges, and a refused proof uses no handle up', async () => {
  const { a, b } = stage
  const { subject_token } = await a.delegate(b)
  const form = { grant_type: EXCHANGE, subject_token_type: HANDLE, subject_token: String(subject_token) }
  const wrong = await ask(b, await prove('/token', { htm: 'GET' }), { ...form, resource: RESOURCE })
  expect(wrong).toMatchObject({ error: 'invalid_dpop_proof' })
  const answer = await ask(b, await prove('/token'), { ...form, resource: RESOURCE })
  expect(answer).toMatchObject({ status: 200, token_type: 'DPoP' })
  expect(boundTo(answer)).toBe(await calculateJwkThumbprint(jwk))
})

test('a code is bound to the key that was named or proven when it was asked for, and so are renewals', async () => {
  const maya = await stage.signedUp()
  const clientId = await stage.register({ token_endpoint_auth_method: 'none' })
  const jkt = await calculateJwkThumbprint(jwk)
  const scope = 'invoices:read offline_access'

  const named = stage.ask(clientId, { dpop_jkt: jkt, scope })
  const back = await maya.decide(named.url)
  expect(await stage.redeem(named, back)).toMatchObject({ status: 400, error: 'invalid_grant' })
  const issued = await stage.redeem(named, back, {}, { dpop: await prove('/token') })
  expect(issued).toMatchObject({ status: 200, token_type: 'DPoP' })

  const renew = async (token: unknown, headers = {}) =>
    stage.send(
      '/token',
      { grant_type: 'refresh_token', client_id: clientId, refresh_token: String(token) },
      headers,
    )
  expect(await renew(issued['refresh_token'])).toMatchObject({ status: 400, error: 'invalid_grant' })
  const renewed = await renew(issued['refresh_token'], { dpop: await prove('/token') })
  expect([renewed.status, boundTo(renewed)]).toEqual([200, jkt])

  const asked = stage.ask(clientId, { scope })
  const pushed = await stage.push(asked, {}, { dpop: await prove('/par') })
  expect(pushed.status).toBe(201)
  const second = await maya.decide(pushed.url)
  expect(await stage.redeem(asked, second)).toMatchObject({ error: 'invalid_grant' })
  expect(await stage.redeem(asked, second, {}, { dpop: await prove('/token') })).toMatchObject({
    status: 200,
  })

  const other = { dpop_jkt: createHash('sha256').update('x').digest('base64url') }
  const torn = stage.ask(clientId, { scope, ...other })
  expect(await stage.push(torn, {}, { dpop: await prove('/par') })).toMatchObject({
    ...{ status: 400, error: 'invalid_request' },
  })
})
