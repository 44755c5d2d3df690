import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type Agent, createAgent, generateAgentKey, Halted, registerClient } from '@valetkey/sdk/agent'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, invited, type Person } from './person.ts'
import { startWorld, type World } from './world.ts'

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const GLOBEX = { name: 'get_invoice', arguments: { customer: 'globex', id: 'INV-2001' } }

let world: World
let maya: Person
let agent: Agent

beforeAll(async () => {
  world = await startWorld()
  await world.api.assignments.create({ principal: 'user:maya@northwind.test', role: 'billing-analyst' })
  maya = await invited(world, 'maya@northwind.test')
  const { publicKey, privateKey } = await generateAgentKey()
  const { clientId } = await world.api.credentials.create({
    agent: 'support-bot',
    publicKey: publicKey as never,
  })
  await world.api.agents.update({ id: 'support-bot', kind: 'both' })
  await world.api.clients.register({ agent: 'support-bot', redirectUris: ['http://127.0.0.1/callback'] })
  agent = createAgent({ issuer: world.url, clientId, key: privateKey })
}, 120_000)
afterAll(() => world?.[Symbol.asyncDispose]())
/** What somebody agreed to is remembered, and then asked in another way. */
beforeEach(async () => {
  const { items } = await world.api.grants.list({ person: maya.email, limit: 100 })
  for (const { id, status } of items) if (status === 'live') await world.api.grants.revoke({ id })
})

/** Maya's browser: it answers, and follows where it is sent. */
function answers(answer: Answer) {
  return async (url: string) => {
    const back = await fetch(await maya.decide(url, answer))
    expect(back.status).toBe(200)
    expect(back.headers.get('content-security-policy')).toContain("default-src 'none'")
  }
}

const SOME: Answer = { scope: ['invoices:read'], resource: ['customer/acme'] }

async function connect(call: typeof fetch): Promise<Client> {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(world.billing.url), { fetch: call }))
  return client
}

describe('in a browser', () => {
  test('a person gives less than was asked for, and takes it back', async () => {
    const { url: resource } = world.billing
    const tokens = await agent.forUser({ resource, offline: true, by: { browser: answers(SOME) } })
    const client = await connect(tokens.fetch(resource))
    expect(await client.callTool(ACME)).not.toMatchObject({ isError: true })
    expect(await client.callTool(GLOBEX)).toMatchObject({ isError: true })
    // What takes no fetch gets a token of its own by the same grant.
    expect(await tokens.token({ resource })).toMatch(/^ey/)
    await expect(tokens.token({ resource: 'https://other.example/mcp' })).rejects.toMatchObject({
      code: 'request.invalid',
    })
    const { items } = await world.api.grants.list({ person: maya.email, limit: 10 })
    await world.api.grants.revoke({ id: items[0]?.id ?? '' })
    await expect.poll(() => client.callTool(ACME).catch((error: unknown) => error)).toBeInstanceOf(Error)
    await expect(tokens.fetch(resource)(resource)).rejects.toBeInstanceOf(Halted)
    // The agent itself goes on.
    expect(await agent.token({ resource })).toMatch(/^ey/)
    await client.close()
  })

  test('without leave to come back the agent halts when the token ends', async () => {
    const { url: resource } = world.billing
    let now = Date.now()
    const key = await generateAgentKey()
    const { clientId } = await world.api.credentials.create({
      agent: 'support-bot',
      publicKey: key.publicKey as never,
    })
    const aging = createAgent({ issuer: world.url, clientId, key: key.privateKey, now: () => now })
    const tokens = await aging.forUser({ resource, by: { browser: answers(SOME) } })
    now += 301_000
    await expect(tokens.fetch(resource)(resource)).rejects.toMatchObject({
      name: 'Halted',
      message: expect.stringContaining('ask again'),
    })
  })

  test('a no is a no, and a person who does not come is not waited for', async () => {
    const { url: resource } = world.billing
    const no = agent.forUser({ resource, by: { browser: answers({ action: 'deny' }) } })
    await expect(no).rejects.toMatchObject({
      code: 'token.refused',
      message: expect.stringContaining('access_denied'),
    })
    const nobody = agent.forUser({ resource, by: { browser: () => undefined, timeoutSeconds: 0.05 } })
    await expect(nobody).rejects.toMatchObject({ message: expect.stringContaining('in time') })
    const signal = AbortSignal.abort(new Error('closed'))
    await expect(agent.forUser({ resource, signal, by: { browser: () => undefined } })).rejects.toThrow(
      'closed',
    )
  })

  test('answers that were not asked for are nothing: another state, none, two, another path, a post', async () => {
    const { url: resource } = world.billing
    const tokens = await agent.forUser({
      resource,
      by: {
        browser: async url => {
          const answer = await maya.decide(url, SOME)
          const forged = (change: (query: URLSearchParams) => void, path = '/callback') => {
            const other = new URL(answer)
            other.pathname = path
            change(other.searchParams)
            return fetch(other)
          }
          const bad = [
            await forged(query => query.set('state', 'guessed')),
            await forged(query => query.delete('state')),
            await forged(query => query.append('state', 'second')),
            await forged(() => undefined, '/other'),
            await fetch(answer, { method: 'POST' }),
          ]
          expect(bad.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404])
          await fetch(answer)
        },
      },
    })
    expect(await (await connect(tokens.fetch(resource))).callTool(ACME)).not.toMatchObject({ isError: true })
  })

  test('an answer in the name of another authority is not used', async () => {
    const { url: resource } = world.billing
    const browser = async (url: string) => {
      const answer = await maya.decide(url, SOME)
      answer.searchParams.set('iss', 'https://evil.example')
      answer.searchParams.set('error_description', 'call this number')
      await fetch(answer)
    }
    const fault = await agent.forUser({ resource, by: { browser } }).catch((error: Error) => error)
    expect(fault).toMatchObject({
      code: 'token.refused',
      message: expect.stringContaining('did not come from'),
    })
    expect(String(fault)).not.toContain('call this number')
  })

  test('a program that registers itself asks like any other', async () => {
    const { url: resource } = world.billing
    const program = createAgent(await registerClient({ issuer: world.url, name: 'Somebody’s program' }))
    const pages: string[] = []
    const browser = async (url: string) => {
      pages.push((await maya.look(url)).text)
      throw new Error('seen enough')
    }
    await expect(program.forUser({ resource, by: { browser } })).rejects.toThrow('seen enough')
    expect(pages[0]).toContain('Somebody’s program')
  })
})
