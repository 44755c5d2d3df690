import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../core/index.ts'
import { openAgent } from './agent.ts'
import { enrollAgent, type Registry } from './enroll.ts'
import { generateAgentKey } from './key.ts'
import { type KeyStore, openKeyStore, type StoredIdentity } from './key-store.ts'

let directory: string
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'valetkey-keys-')), 'agents')
})
afterEach(() => rm(join(directory, '..'), { recursive: true }))

const identity = async (): Promise<StoredIdentity> => ({
  issuer: 'https://auth.example.com',
  clientId: 'agt_1',
  key: (await generateAgentKey()).privateKey,
})

describe('files', () => {
  test('keep an identity where only its owner can read it', async () => {
    const store = await openKeyStore({ directory })
    expect(await store.load('support-bot')).toBeUndefined()
    const kept = await identity()
    await store.save('support-bot', kept)
    expect(await store.load('support-bot')).toEqual(kept)
    expect((await stat(join(directory, 'support-bot.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect(await readdir(directory)).toEqual(['support-bot.json'])
  })

  test('are refused where others can read them', async () => {
    const store = await openKeyStore({ directory })
    await store.save('support-bot', await identity())
    for (const mode of [0o640, 0o604]) {
      await chmod(join(directory, 'support-bot.json'), mode)
      await expect(store.load('support-bot')).rejects.toMatchObject({ code: 'config.unsafe' })
    }
  })

  test('that are damaged are said to be so, without a word of what they hold', async () => {
    const store = await openKeyStore({ directory })
    await store.save('support-bot', await identity())
    const path = join(directory, 'support-bot.json')
    const text = await readFile(path, 'utf8')
    const bad = [
      text.slice(0, -30),
      '',
      'null',
      '{"issuer":"https://a.example","clientId":"x","key":{"kty":"EC"}}',
    ]
    for (const damaged of bad) {
      await writeFile(path, damaged)
      const fault = await store.load('support-bot').catch((error: Error) => error)
      expect(fault).toMatchObject({ code: 'config.invalid', message: expect.stringContaining('damaged') })
      expect(JSON.stringify(fault)).not.toContain('"d"')
    }
  })

  test.each(['../other', 'a/b', '', '.hidden', 'x\u0000', 'a'.repeat(200)])(
    'have names, not paths: %j',
    async name => {
      const store = await openKeyStore({ directory })
      await expect(store.load(name)).rejects.toMatchObject({ code: 'request.invalid' })
      await expect(store.save(name, await identity())).rejects.toMatchObject({ code: 'request.invalid' })
    },
  )
})

describe('enrolling', () => {
  const registry = () => {
    const created: Parameters<Registry['credentials']['create']>[0][] = []
    const create: Registry['credentials']['create'] = async input => {
      if (created.some(({ publicKey }) => publicKey.x === input.publicKey.x))
        throw new AppError('conflict.exists', 'This key is a credential already.')
      created.push(input)
      return { clientId: 'agt_1' }
    }
    const list = async () => ({ items: created.map(() => ({ kind: 'key', clientId: 'agt_1' })) })
    return { created, credentials: { create, list } }
  }
  const options = { issuer: 'https://auth.example.com', agent: 'support-bot' }

  test('registers the public part once, and keeps the private one', async () => {
    const store = await openKeyStore({ directory })
    const with_ = registry()
    const first = await enrollAgent(with_, { ...options, store })
    expect(await enrollAgent(with_, { ...options, store })).toEqual(first)
    expect(with_.created).toHaveLength(1)
    expect(JSON.stringify(with_.created)).not.toContain('"d"')
  })

  test('keeps nothing where the registration fails, and does not take the place of another key', async () => {
    const store = await openKeyStore({ directory })
    const { credentials } = registry()
    const refused = new AppError('permission.denied', 'no')
    const failing = { credentials: { ...credentials, create: () => Promise.reject(refused) } }
    await expect(enrollAgent(failing, { ...options, store })).rejects.toThrow('no')
    expect(await store.load('support-bot')).toBeUndefined()
    await enrollAgent(registry(), { ...options, store })
    const elsewhere = enrollAgent(registry(), { ...options, issuer: 'https://other.example', store })
    await expect(elsewhere).rejects.toMatchObject({ code: 'conflict.exists' })
  })

  test('registers no key that could not be kept', async () => {
    const store = await openKeyStore({ directory })
    const with_ = registry()
    const full = { ...store, save: () => Promise.reject(new Error('disk full')) }
    await expect(enrollAgent(with_, { ...options, store: full })).rejects.toThrow('disk full')
    expect(with_.created).toEqual([])
  })

  test.each(['the answer is lost', 'the store fails after it'])(
    'goes on with the same key where it was cut short: %s',
    async how => {
      const store = await openKeyStore({ directory })
      const with_ = registry()
      let saves = 0
      const failing: KeyStore = {
        ...store,
        save: (name, kept) => (++saves > 1 ? Promise.reject(new Error('cut')) : store.save(name, kept)),
      }
      const deaf: Registry = {
        credentials: {
          ...with_.credentials,
          create: input => with_.credentials.create(input).then(() => Promise.reject(new Error('cut'))),
        },
      }
      const cut =
        how === 'the answer is lost'
          ? enrollAgent(deaf, { ...options, store })
          : enrollAgent(with_, { ...options, store: failing })
      await expect(cut).rejects.toThrow('cut')
      await expect(openAgent('support-bot', { store })).rejects.toThrow('enroll the agent again')
      const { clientId, key } = await enrollAgent(with_, { ...options, store })
      expect(clientId).toBe('agt_1')
      expect(with_.created).toMatchObject([{ publicKey: { x: key.x } }])
      await openAgent('support-bot', { store })
    },
  )
})
