import { type Agent, createAgent, generateAgentKey, registerClient } from '@valetkey/sdk/agent'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

/** An agent that asks a person who is somewhere else. The authority wants five seconds between two questions. */

const EMAIL = 'maya@northwind.test'
const WANTED = { resource: RESOURCE, scope: 'invoices:read invoices:refund' }

let stage: OauthStage
let maya: Person
let bot: Agent

beforeAll(async () => {
  stage = await startStage({ deviceGrant: true })
  maya = await stage.signedUp()
  const { id } = await stage.api.agents.create({
    ...{ name: 'night-bot', owner: EMAIL, kind: 'both', ceiling: ['invoices:*'] },
  })
  const { publicKey, privateKey } = await generateAgentKey()
  const { clientId } = await stage.api.credentials.create({ agent: id, publicKey: publicKey as never })
  bot = createAgent({ issuer: stage.url, clientId, key: privateKey })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

/** Types the code that a program shows, and answers. */
async function type(code: string, answer: Parameters<Person['answer']>[1]): Promise<void> {
  const { browser } = maya
  const page = await browser.send(await maya.look(`${stage.url}/device`), 'name="code"', { code })
  await maya.answer(page, answer)
}

/** Finds what waits for her, and answers it. */
async function answerWhatWaits(answer: Parameters<Person['answer']>[1]): Promise<void> {
  const find = async () =>
    /href="(\/waiting\/[^"]+)"/.exec((await maya.look(`${stage.url}/agents`)).text)?.[1] ?? ''
  await expect.poll(find).not.toBe('')
  await maya.answer(await maya.look(stage.url + (await find())), answer)
}

test('by a code and by name: the person gives less, and the tokens are bound to the agent’s key', async () => {
  const shown: Headers[] = []
  const network: typeof fetch = async (input, init) => {
    if (String(input) !== RESOURCE) return fetch(input, init)
    shown.push(new Headers(init?.headers))
    return new Response()
  }
  const known = await registerClient({ issuer: stage.url, name: 'Terminal' })
  const terminal = createAgent({ ...known, fetch: network })
  const [byCode, byName] = await Promise.all([
    terminal.forUser({
      ...WANTED,
      by: {
        device: async ({ userCode, verificationUri }) => {
          expect(verificationUri).toBe(`${stage.url}/device`)
          await type(userCode, { scope: ['invoices:read'] })
        },
      },
      offline: true,
    }),
    (async () => {
      const asked = bot.forUser({ ...WANTED, by: { person: EMAIL, message: 'Month end' } })
      await answerWhatWaits({ scope: ['invoices:read'] })
      return asked
    })(),
  ])
  await byCode.fetch(RESOURCE)(RESOURCE)
  const [scheme, token = ''] = shown[0]?.get('authorization')?.split(' ') ?? []
  expect(scheme).toBe('DPoP')
  expect(shown[0]?.get('dpop')).toMatch(/^ey/)
  expect(decodeJwt(token)).toMatchObject({
    ...{ aud: RESOURCE, scope: 'invoices:read', gid: expect.any(String), cnf: { jkt: expect.any(String) } },
    sub: expect.stringMatching(/^usr_/),
  })
  await expect(byCode.token({ resource: RESOURCE })).rejects.toMatchObject({ code: 'request.invalid' })
  // Without leave to come back there is what was given, bound, and nothing else.
  await expect(byName.token({ resource: RESOURCE })).rejects.toMatchObject({ code: 'agent.halted' })
})

test('a no, nobody of that name, and a program that stops waiting', async () => {
  const no = bot.forUser({ ...WANTED, by: { person: EMAIL } })
  const refused = expect(no).rejects.toMatchObject({ code: 'token.refused', error: 'access_denied' })
  await answerWhatWaits({ action: 'deny' })
  const nobody = bot.forUser({ ...WANTED, by: { person: 'nobody@northwind.test' } })
  await expect(nobody).rejects.toMatchObject({ code: 'token.refused', error: 'unknown_user_id' })
  const leaving = new AbortController()
  const by = { device: () => leaving.abort(new Error('closed')) }
  await expect(bot.forUser({ ...WANTED, by, signal: leaving.signal })).rejects.toThrow('closed')
  await refused
})

test('an authority that does not offer it says so before anybody is asked', async () => {
  await using plain = await startStage({ ciba: false })
  const agent = createAgent({ issuer: plain.url, clientId: 'agt_x', secret: 'x' })
  for (const by of [{ person: EMAIL }, { device: () => undefined }])
    await expect(agent.forUser({ ...WANTED, by })).rejects.toMatchObject({ code: 'config.invalid' })
})
