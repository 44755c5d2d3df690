import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { describe, expect, test } from 'vitest'
import { valetkey } from './program.ts'
import { openSite, type Site } from './serving.ts'

describe('the first start', () => {
  test('shows a code that signs in one person, once, and no start after it shows another', async () => {
    await using site = await openSite()
    const file = join(site.directory, 'valetkey-data/bootstrap-code')
    const login = async () => {
      const args = ['login', '--url', site.url, '--code-file', file, '--name', 'ada']
      await using run = valetkey(site.directory, args)
      return { code: await run.ended, out: run.out(), err: run.err() }
    }
    {
      await using node = await site.serve()
      await node.says(file.slice(site.directory.length + 1))
      const code = (await readFile(file, 'utf8')).trim()
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect(node.err().split(code)).toHaveLength(2)
      expect(node.out()).toBe('')
      expect(await login()).toMatchObject({ code: 0, out: `Signed in to ${site.url} as ada.\n` })
      const again = await login()
      expect(again).toMatchObject({ code: 3, out: '' })
      expect(again.err).toContain('[auth.invalid]')
      expect((await fetch(`${site.url}/api/agents`)).status).toBe(401)
      node.signal('SIGTERM')
      expect(await node.ended).toBe(0)
      expect(node.err()).not.toContain('"level":50')
    }
    await using node = await site.serve()
    await expect.poll(() => readFile(file, 'utf8').catch(() => 'gone')).toBe('gone')
    expect(node.err()).not.toContain('vk_boot_')
    await using whoami = valetkey(site.directory, ['whoami', '-o', 'name'])
    expect(await whoami.ended).toBe(0)
    expect(whoami.out()).toBe('ada\n')
  })

  test('keeps what it writes to its owner', async () => {
    await using site = await openSite()
    writeFileSync(join(site.directory, 'valetkey.yaml'), 'dataDirectory: data/of/this/node\n')
    await using node = await site.serve({ VALETKEY_CONFIG: 'valetkey.yaml' })
    await node.says('vk_boot_')
    const data = join(site.directory, 'data/of/this/node')
    expect(statSync(data).mode & 0o077).toBe(0)
    for (const name of ['valetkey.db', 'audit', 'audit/evidence.db', 'instance', 'bootstrap-code'])
      expect([name, statSync(join(data, name)).mode & 0o077]).toEqual([name, 0])
  })
})

describe('a start that cannot work ends at once, with one sentence and its fix', () => {
  /** How the program ended: the number, and the three lines. */
  async function refusal(site: Site, env: Record<string, string>) {
    await using node = site.attempt(env)
    const code = await node.ended
    expect(node.out()).toBe('')
    expect(node.err().trimEnd().split('\n')).toHaveLength(3)
    return { code, err: node.err() }
  }

  test('unsafe', async () => {
    await using site = await openSite()
    const { code, err } = await refusal(site, { VALETKEY_ISSUER: 'http://auth.example.com' })
    expect(code).toBe(7)
    expect(err).toMatch(/Put TLS in front.*VALETKEY_ISSUER[\s\S]*\[config\.unsafe\]/)
  })

  test('a port that is taken', async () => {
    await using site = await openSite()
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    const taken = await refusal(site, { VALETKEY_HTTP_PORT: port })
    expect(taken.code).toBe(7)
    expect(taken.err).toMatch(/Port \d+ on 127\.0\.0\.1 is taken by another program.*VALETKEY_HTTP_PORT/)
    // 0: whichever is free by then.
    const free = { VALETKEY_HTTP_PORT: '0' }
    expect((await refusal(site, { ...free, VALETKEY_ADMIN_PORT: port })).err).toContain('VALETKEY_ADMIN_PORT')
    other.close()
  })

  test('a data directory that cannot be', async () => {
    await using site = await openSite()
    writeFileSync(join(site.directory, 'file'), '')
    const { code, err } = await refusal(site, { VALETKEY_DATA_DIRECTORY: 'file/data' })
    expect(code).toBe(7)
    expect(err).toMatch(
      /file\/data cannot be written: a part of its path is no directory.*VALETKEY_DATA_DIRECTORY/,
    )
  })

  test('another master key, or another database, than before', async () => {
    await using site = await openSite()
    {
      await using node = await site.serve()
      node.signal('SIGTERM')
      await node.ended
    }
    const key = await refusal(site, { VALETKEY_MASTER_KEY: randomBytes(32).toString('base64') })
    expect(key.err).toContain('[secret.unreadable]')
    const other = await refusal(site, { VALETKEY_DATABASE_URL: 'sqlite:other.db' })
    expect(other.code).toBe(6)
    expect(other.err).toMatch(/Point it back.*remove valetkey-data\/instance[\s\S]*\[store\.other\]/)
  })
})

describe('a stop', () => {
  /** A request whose body is on its way for as long as wanted. */
  async function slowRequest({ url }: Site, token: string) {
    const body = JSON.stringify({ slug: 'slow', name: 'Slow' })
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(body.length),
    }
    const sent: ClientRequest = request(`${url}/api/organizations`, { method: 'POST', headers })
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).once('error', reject)
    })
    answer.catch(() => undefined)
    sent.write(body.slice(0, 5))
    await sleep(200)
    const finish = () => {
      sent.end(body.slice(5))
      return answer
    }
    return { finish, cut: () => sent.destroy() }
  }

  test('lets what is under way end, is not ready meanwhile, takes nothing new, and ends with 0', async () => {
    await using site = await openSite()
    await using node = await site.serve()
    const { token } = await site.claim(node)
    const ready = () =>
      fetch(`${site.adminUrl}/readyz`).then(async answer => [answer.status, await answer.json()])
    expect(await ready()).toEqual([200, { ready: true, faults: {} }])
    const slow = await slowRequest(site, token)
    node.signal('SIGTERM')
    await node.says('valetkey stops')
    await expect.poll(ready).toEqual([503, { ready: false, faults: { node: 'is stopping' } }])
    await expect(fetch(`${site.url}/jwks`)).rejects.toThrow()
    expect((await slow.finish()).statusCode).toBe(200)
    expect(await node.ended).toBe(0)

    await using again = await site.serve()
    const admin = createClient(api, { baseUrl: site.url, token: () => token })
    expect((await admin.organizations.list({})).items).toMatchObject([{ slug: 'slow' }])
    again.signal('SIGTERM')
    expect(await again.ended).toBe(0)
  })

  test('that is asked for twice is at once', async () => {
    await using site = await openSite()
    await using node = await site.serve()
    const { token } = await site.claim(node)
    const slow = await slowRequest(site, token)
    node.signal('SIGTERM')
    await node.says('valetkey stops')
    const asked = performance.now()
    node.signal('SIGTERM')
    expect(await node.ended).toBe(1)
    expect(performance.now() - asked).toBeLessThan(2_000)
    slow.cut()
  })
})

test('who guesses codes behind a trusted proxy shuts out nobody else behind it', async () => {
  await using site = await openSite({ VALETKEY_TRUSTED_PROXIES: '127.0.0.0/8' })
  await using _node = await site.serve()
  const guess = async (address: string) => {
    const headers = { 'x-forwarded-for': address, authorization: 'Bearer vk_boot_guess' }
    return (await fetch(`${site.url}/api/bootstrap`, { method: 'POST', headers })).status
  }
  for (let n = 0; n < 10; n++) expect(await guess('198.51.100.1')).toBe(401)
  expect(await guess('198.51.100.1')).toBe(429)
  // What stands left of the last address was written by the caller.
  expect(await guess('198.51.100.9, 198.51.100.1')).toBe(429)
  expect(await guess('198.51.100.2')).toBe(401)
})

test('killed in the middle of its work, it has everything that it had acknowledged', async () => {
  await using site = await openSite()
  let token = ''
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    await using node = await site.serve()
    if (round === 0) token = (await site.claim(node)).token
    const admin = createClient(api, { baseUrl: site.url, token: () => token })
    if (round === 0) await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
    const load = Array.from({ length: 4 }, (_, writer) => write(admin, `${round}-${writer}`, acknowledged))
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan((round + 1) * 10)
    await sleep(Math.random() * 300)
    node.signal('SIGKILL')
    await Promise.all(load)
    expect(await node.ended).toBe('SIGKILL')
  }
  await using _node = await site.serve()
  const admin = createClient(api, { baseUrl: site.url, token: () => token })
  const people = await all(cursor => admin.people.list({ limit: 200, ...cursor }))
  const emails = new Set(people.map(person => person.email))
  expect(acknowledged.length).toBeGreaterThan(20)
  expect(acknowledged.filter(email => !emails.has(email))).toEqual([])
  // What was done is on record, for each of them.
  const recorded = async () => {
    const query = { limit: 200, type: 'person.created' }
    const changes = await all(cursor => admin.audit.changes({ ...query, ...cursor }))
    return new Set(changes.map(change => change.target)).size
  }
  await expect.poll(recorded, { timeout: 10_000 }).toBe(people.length)
})

/** Creates people until the node is gone. */
async function write(admin: Client<AdminApi>, name: string, acknowledged: string[]): Promise<void> {
  for (let n = 0; ; n++) {
    const email = `${name}-${n}@northwind.test`
    try {
      await admin.people.create({ email, name: 'Somebody' })
    } catch {
      return
    }
    acknowledged.push(email)
  }
}

async function all<T>(
  page: (cursor: { cursor?: string }) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> {
  const items: T[] = []
  for (let cursor: string | null = null; ; ) {
    const answer = await page(cursor === null ? {} : { cursor })
    items.push(...answer.items)
    cursor = answer.next
    if (cursor === null) return items
  }
}
