import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { createProofCheck, type ProofOptions, type Proven } from './check.ts'

const SERVER = new URL('https://billing.example/mcp')
const TOKEN = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'
const ATH = 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo'

interface Holder {
  privateKey: KeyObject
  jwk: JWK
  jkt: string
  alg: string
}

async function newHolder(alg: 'ES256' | 'EdDSA' | 'RS256' = 'ES256'): Promise<Holder> {
  const { privateKey, publicKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = await exportJWK(publicKey)
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk), alg }
}

const holder = await newHolder()
const clock = { wall: 0, mono: 0, now: () => clock.wall, monotonic: () => clock.mono }

function pass(seconds: number): void {
  clock.wall += seconds * 1000
  clock.mono += seconds * 1000
}

/** A point that has run for longer than any proof lives. */
function runningCheck(options: ProofOptions = {}) {
  const check = createProofCheck(SERVER, clock, options)
  pass(100)
  return check
}

beforeEach(() => {
  clock.wall = Date.UTC(2026, 10, 28)
  clock.mono = 5_000
})

function prove(change: object = {}, { by = holder, header = {} }: { by?: Holder; header?: object } = {}) {
  const iat = Math.floor(clock.wall / 1000)
  const claims = { jti: randomUUID(), htm: 'POST', htu: SERVER.href, iat, ath: ATH, ...change }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: by.alg, typ: 'dpop+jwt', jwk: by.jwk, ...header })
    .sign(by.privateKey)
}

function shown(proof: string | undefined, change: Partial<Proven> = {}): Proven {
  return { proof, method: 'POST', token: TOKEN, jkt: holder.jkt, body: '{}', ...change }
}

test('the digest and the thumbprint are those of RFC 9449', async () => {
  expect(createHash('sha256').update(TOKEN).digest('base64url')).toBe(ATH)
  const jwk = {
    ...{ kty: 'EC', crv: 'P-256' },
    x: 'l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs',
    y: '9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA',
  }
  const check = runningCheck()
  const proof = await prove({}, { header: { jwk } })
  const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'
  // Known as that key, and so found not to have signed.
  expect(check(shown(proof, { jkt }))?.detail).toBe('its proof has a wrong signature')
})

describe('a proof of the key that the token is bound to is taken', () => {
  test.each(['ES256', 'EdDSA'] as const)('%s', async alg => {
    const by = await newHolder(alg)
    expect(runningCheck()(shown(await prove({}, { by }), { jkt: by.jkt }))).toBeNull()
  })

  test.each([
    'https://billing.example/mcp?page=2#top',
    'HTTPS://Billing.Example:443/mcp',
    'https://billing.example/a/../mcp',
  ])('for the server by another spelling of its address: %s', async htu => {
    expect(runningCheck()(shown(await prove({ htu })))).toBeNull()
  })

  test('made a minute ago, or by a clock that is ten seconds ahead', async () => {
    const check = runningCheck()
    const now = clock.wall / 1000
    expect(check(shown(await prove({ iat: now - 60 })))).toBeNull()
    expect(check(shown(await prove({ iat: now + 10 })))).toBeNull()
  })

  test('that also binds the body', async () => {
    const body = '{"a":"ä"}'
    const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
    const check = runningCheck()
    expect(check(shown(await prove({ content_digest: digest }), { body }))).toBeNull()
    for (const other of ['{}', undefined])
      expect(check(shown(await prove({ content_digest: digest }), { body: other }))?.detail).toBe(
        'its proof is for another body',
      )
  })
})

describe('a proof is refused', () => {
  const now = () => Math.floor(clock.wall / 1000)
  const REFUSED: Record<string, [() => Promise<string | undefined>, RegExp]> = {
    'that is not there': [async () => undefined, /no proof/],
    'that is empty': [async () => '', /not one JWT/],
    'that comes twice': [async () => `${await prove()}, ${await prove()}`, /not one JWT/],
    'that has a fourth part': [async () => `${await prove()}.x`, /not one JWT/],
    'that is endless': [async () => prove({ more: 'x'.repeat(9_000) }), /not one JWT/],
    'of another type': [() => prove({}, { header: { typ: 'JWT' } }), /header.*typ/],
    'without a key': [() => prove({}, { header: { jwk: undefined } }), /header.*jwk/],
    'that shows the private key': [
      async () => prove({}, { header: { jwk: await exportJWK(holder.privateKey) } }),
      /header.*jwk/,
    ],
    'with a critical header': [() => prove({}, { header: { crit: ['b64'], b64: true } }), /header.*crit/],
    'by a key of a kind that is not taken': [
      async () => prove({}, { by: await newHolder('RS256') }),
      /header/,
    ],
    'by another key': [async () => prove({}, { by: await newHolder() }), /another key/],
    'that names the key and is signed by another': [
      async () => prove({}, { by: { ...holder, privateKey: (await newHolder()).privateKey } }),
      /wrong signature/,
    ],
    'whose last letters are missing': [async () => (await prove()).slice(0, -8), /wrong signature/],
    'without a name of its own': [() => prove({ jti: undefined }), /jti/],
    'with a very long name': [() => prove({ jti: 'x'.repeat(300) }), /jti/],
    'for another method': [() => prove({ htm: 'GET' }), /another method/],
    'for a method in other letters': [() => prove({ htm: 'post' }), /another method/],
    'for another path': [() => prove({ htu: 'https://billing.example/mcp/' }), /another address/],
    'for another host': [() => prove({ htu: 'https://billing.example.evil.test/mcp' }), /another address/],
    'without TLS': [() => prove({ htu: 'http://billing.example/mcp' }), /another address/],
    'with somebody in the address': [
      () => prove({ htu: 'https://x@billing.example/mcp' }),
      /another address/,
    ],
    'for no address': [() => prove({ htu: '/mcp' }), /another address/],
    'for another token': [
      () => prove({ ath: createHash('sha256').update('x').digest('base64url') }),
      /another token/,
    ],
    'for no token': [() => prove({ ath: undefined }), /another token/],
    'without a time': [() => prove({ iat: undefined }), /iat/],
    'ten minutes old': [() => prove({ iat: now() - 600 }), /clock/],
    'from ten minutes ahead': [() => prove({ iat: now() + 600 }), /clock/],
    'from the end of time': [() => prove({ iat: 1e300 }), /clock/],
  }
  test.each(Object.keys(REFUSED))('%s', async name => {
    const [make, reason] = REFUSED[name] ?? [async () => '', /./]
    const check = runningCheck()
    expect(check(shown(await make()))?.detail).toMatch(reason)
    // And nothing else than that was wrong.
    expect(check(shown(await prove()))).toBeNull()
  })

  test('alg none, and a MAC under the public key', async () => {
    const [, claims = ''] = (await prove()).split('.')
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, typ: 'dpop+jwt', jwk: holder.jwk })).toString(
        'base64url',
      )
      expect(runningCheck()(shown(`${header}.${claims}.${'A'.repeat(43)}`))?.detail).toMatch(/header.*alg/)
    }
  })

  test('whatever letter of it is changed', async () => {
    const proof = await prove()
    const check = runningCheck()
    fc.assert(
      fc.property(fc.nat(proof.length - 1), fc.constantFrom(...'AZaz09-_.'), (at, letter) => {
        const changed = proof.slice(0, at) + letter + proof.slice(at + 1)
        const isSame = Buffer.from(changed, 'base64url').equals(Buffer.from(proof, 'base64url'))
        fc.pre(changed !== proof && !isSame && sameBytes(changed, proof) === false)
        expect(check(shown(changed))).not.toBeNull()
      }),
      { numRuns: 300 },
    )
  })

  /** The last letter of a part carries bits that are not used. */
  function sameBytes(a: string, b: string): boolean {
    const parts = (text: string) =>
      text.split('.').map(part => Buffer.from(part, 'base64url').toString('hex'))
    return parts(a).join('.') === parts(b).join('.')
  }
})

describe('a proof is good once', () => {
  test('here, and by its name: another name is another proof, also of the same second', async () => {
    const check = runningCheck()
    const proof = await prove({ jti: 'one' })
    expect(check(shown(proof))).toBeNull()
    expect(check(shown(proof))).toMatchObject({
      error: 'invalid_dpop_proof',
      detail: 'its proof was shown before',
    })
    expect(check(shown(await prove({ jti: 'one' })))?.detail).toBe('its proof was shown before')
    expect(check(shown(await prove({ jti: 'two' })))).toBeNull()
    const other = await newHolder()
    expect(check(shown(await prove({ jti: 'one' }, { by: other }), { jkt: other.jkt }))).toBeNull()
  })

  test('until it is too old, at every moment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9), { minLength: 5, maxLength: 30 }), async steps => {
        const check = runningCheck()
        const proofs: string[] = []
        for (const seconds of steps) {
          pass(seconds)
          const proof = await prove()
          expect(check(shown(proof))).toBeNull()
          proofs.push(proof)
          for (const before of proofs) expect(check(shown(before))).not.toBeNull()
        }
      }),
      { numRuns: 20 },
    )
  })

  test('also after the clock was set back, however far', async () => {
    const check = runningCheck()
    const proof = await prove()
    const at = clock.wall
    expect(check(shown(proof))).toBeNull()
    for (let i = 0; i < 40; i++) {
      pass(10)
      check(shown(await prove()))
    }
    clock.wall = at
    expect(check(shown(proof))).toMatchObject({ error: 'use_dpop_nonce' })
  })

  test('also after a restart: what may be from before needs a nonce of this start', async () => {
    const before = runningCheck()
    const proof = await prove()
    expect(before(shown(proof))).toBeNull()
    const after = createProofCheck(SERVER, clock)
    const answer = after(shown(proof))
    expect(answer).toMatchObject({ error: 'use_dpop_nonce', nonce: expect.any(String) })
    const again = await prove({ nonce: answer?.nonce })
    expect(after(shown(again))).toBeNull()
    expect(after(shown(again))?.detail).toBe('its proof was shown before')
    expect(before(shown(await prove({ nonce: 'of somebody' })))).toBeNull()
    pass(30)
    expect(after(shown(await prove()))).toBeNull()
  })

  test('and one key cannot fill the memory for all', async () => {
    const check = runningCheck()
    // As many as a key may show at once, without the signatures, by filling what remembers them.
    const { createSeenProofs } = await import('./seen-proofs.ts')
    const seen = createSeenProofs({ keepSeconds: 90, aheadSeconds: 10, clock })
    const iat = clock.wall / 1000
    const take = (thumbprint: string, n: number) => seen.take({ thumbprint, jti: `${n}`, iat })
    const results = Array.from({ length: 20_001 }, (_, n) => take('greedy', n))
    expect(results.filter(result => result === 'new')).toHaveLength(20_000)
    expect(results.at(-1)).toBe('full')
    expect(take('other', 1)).toBe('new')
    pass(200)
    expect(seen.take({ thumbprint: 'greedy', jti: '0', iat: clock.wall / 1000 })).toBe('new')
    expect(check(shown(await prove()))).toBeNull()
  })
})

test('where nonces are demanded, one is good for a minute, and only here', async () => {
  const check = runningCheck({ nonces: true })
  const elsewhere = runningCheck({ nonces: true })
  const ask = async (nonce?: string, by = check) =>
    by(shown(await prove(nonce === undefined ? {} : { nonce })))
  const { nonce } = (await ask()) ?? {}
  expect(await ask(nonce)).toBeNull()
  expect(await ask(nonce)).toBeNull()
  expect(await ask(nonce, elsewhere)).toMatchObject({ error: 'use_dpop_nonce' })
  pass(61)
  const stale = await ask(nonce)
  expect(stale).toMatchObject({ error: 'use_dpop_nonce' })
  expect(stale?.nonce).not.toBe(nonce)
  expect(await ask(stale?.nonce)).toBeNull()
})
