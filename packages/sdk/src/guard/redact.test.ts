import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { redactArguments } from './redact.ts'

describe('arguments on record', () => {
  test('keep what says what was done', () => {
    const args = { customer: 'acme', amount: 120, lines: [{ id: 1, ok: true }], note: null }
    expect(redactArguments(args, null)).toEqual(args)
  })

  test('keep what is named as no member of an object should be', () => {
    const text = '{"__proto__":{"__proto__":"x","y":1},"constructor":"z","in":[{"__proto__":"x"}]}'
    expect(JSON.stringify(redactArguments(JSON.parse(text), null))).toBe(text)
  })

  test('cut a name that is long as they cut a text, and keep two that begin alike apart', () => {
    const [one, two] = ['a'.repeat(600), `${'a'.repeat(599)}b`]
    const cut = redactArguments({ [one]: 1, [two]: 2 }, null)
    expect(Object.values(cut ?? {})).toEqual([1, 2])
    for (const name of Object.keys(cut ?? {}))
      expect(name).toMatch(/^a{512}\[88 more characters\]\[member \d\]$/)
  })

  test.each([
    'password',
    'apiKey',
    'api_key',
    'Authorization',
    'clientSecret',
    'session_token',
    'PIN',
    'card-number',
  ])('never hold what is called %s, at any depth', name => {
    const secret = 'correct horse battery staple'
    const args = { [name]: secret, in: { a: [{ [name]: { deep: secret } }] } }
    expect(JSON.stringify(redactArguments(args, null))).not.toContain(secret)
  })

  test('never hold what the schema calls a secret', () => {
    const schema = {
      type: 'object',
      properties: {
        word: { type: 'string', format: 'password' },
        inner: { type: 'object', properties: { hidden: { type: 'string', writeOnly: true } } },
      },
    }
    const args = { word: 'open sesame', inner: { hidden: 'open sesame', shown: 'yes' } }
    expect(redactArguments(args, schema)).toEqual({
      word: '[redacted]',
      inner: { hidden: '[redacted]', shown: 'yes' },
    })
  })

  test('never hold a value that looks like a credential, wherever it stands', () => {
    const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl'
    const secrets = [
      token,
      `sk-${'a1B2'.repeat(6)}`,
      `ghp_${'x9'.repeat(18)}`,
      `vk_sec_${'Q'.repeat(43)}`,
      `vk_rt_${'Q'.repeat(43)}`,
      `vk_boot_${'Q'.repeat(43)}`,
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...secrets),
        fc.string({ maxLength: 200 }),
        fc.string({ maxLength: 200 }),
        (secret, before, after) => {
          const said = JSON.stringify(redactArguments({ note: `${before} ${secret} ${after}` }, null))
          expect(said).not.toContain(secret)
        },
      ),
    )
  })

  test('never hold the body of a private key', () => {
    const pem = `-----BEGIN EC PRIVATE KEY-----\n${'MHcCAQEE'.repeat(8)}\n-----END EC PRIVATE KEY-----`
    expect(redactArguments({ file: `before\n${pem}\nafter` }, null)).toEqual({
      file: 'before\n[redacted]\nafter',
    })
    expect(redactArguments({ file: pem.slice(0, 70) }, null)).toEqual({ file: '[redacted]' })
  })

  test('stay small whatever comes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 20 })), args => {
        const text = JSON.stringify(redactArguments(args as never, null))
        expect(text.length).toBeLessThanOrEqual(JSON.stringify(args).length + 4_000)
      }),
    )
    const nested = JSON.parse(`${'{"a":'.repeat(60)}1${'}'.repeat(60)}`)
    expect(JSON.stringify(redactArguments(nested, null)).length).toBeLessThan(100)
    const long = redactArguments({ text: 'x'.repeat(1e6), list: Array(1e4).fill(1) }, null)
    expect(JSON.stringify(long).length).toBeLessThan(2_000)
  })

  test('do not lose a secret that is cut in two', () => {
    const token = `eyJ${'a'.repeat(40)}.${'b'.repeat(40)}.${'c'.repeat(40)}`
    for (const at of [440, 480, 500, 510]) {
      const said = JSON.stringify(redactArguments({ note: `${'.'.repeat(at)} ${token}` }, null))
      expect(said).not.toContain('b'.repeat(20))
    }
  })
})
