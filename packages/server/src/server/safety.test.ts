import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { assertSafe, missingIn } from './safety.ts'

const start = (flags: Parameters<typeof readConfig>[0]['flags']) =>
  assertSafe(
    readConfig({
      flags: { issuer: 'https://auth.example.com', masterKey: randomBytes(32).toString('base64'), ...flags },
    }),
  )

describe('a node starts', () => {
  test.each([
    'https://auth.example.com',
    'https://example.com/auth',
    'http://localhost:4600',
    'http://127.0.0.1:4600',
    'http://[::1]:4600',
  ])('as %s', issuer => {
    expect(() => start({ issuer })).not.toThrow()
  })

  test('with any random key, however often it is tried', () => {
    for (let i = 0; i < 1000; i++) start({})
  })

  test('in a directory that only sounds like that of "valetkey dev"', () => {
    expect(() => start({ dataDirectory: '/srv/.valetkey-production' })).not.toThrow()
  })
})

describe('a node does not start, and says the fix,', () => {
  const words = Buffer.from('correct horse battery staple, and so on').toString('base64')
  test.each([
    [
      'over http beyond this machine',
      { issuer: 'http://auth.example.com' },
      /Put TLS in front.*VALETKEY_ISSUER/,
    ],
    ['over http to an address', { issuer: 'http://10.0.0.5:4600' }, /Put TLS in front/],
    ['over http to a name that begins like loopback', { issuer: 'http://127.0.0.1.evil.test' }, /TLS/],
    ['with a key of zeros', { masterKey: Buffer.alloc(32).toString('base64') }, /head -c 32 \/dev\/urandom/],
    ['with a key of words', { masterKey: words }, /VALETKEY_MASTER_KEY_FILE/],
    ['with a key that repeats', { masterKey: Buffer.alloc(64, 'abcdef\0').toString('base64') }, /random/],
    ['in memory', { databaseUrl: 'sqlite::memory:' }, /VALETKEY_DATABASE_URL/],
    ['on the data of "valetkey dev"', { dataDirectory: './.valetkey' }, /VALETKEY_DATA_DIRECTORY/],
    ['on its database', { databaseUrl: 'sqlite:/home/ada/.valetkey/valetkey.db' }, /VALETKEY_DATABASE_URL/],
  ])('%s', (_, flags, fix) => {
    expect(() => start(flags)).toThrow(
      expect.objectContaining({ code: 'config.unsafe', message: expect.stringMatching(fix) }),
    )
  })
})

test('a node says what people cannot do there', () => {
  const masterKey = randomBytes(32).toString('base64')
  const sentences = (flags: object) => missingIn(readConfig({ flags: { masterKey, ...flags } }))
  const mail = { mailUrl: 'smtps://mail.example.com', mailFrom: 'Valet Key <auth@example.com>' }
  expect(sentences({ issuer: 'https://auth.example.com', ...mail })).toEqual([])
  expect(sentences({ issuer: 'https://auth.example.com' })).toEqual([
    expect.stringMatching(/^mail is off.*VALETKEY_MAIL_URL and VALETKEY_MAIL_FROM/),
  ])
  expect(sentences({ issuer: 'http://[::1]:4600', ...mail })).toEqual([
    expect.stringMatching(/^passkeys are off/),
  ])
})
