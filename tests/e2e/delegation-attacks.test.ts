import { setTimeout as sleep } from 'node:timers/promises'
import { DpopSession, generateDpopKeyPair } from '@modelcontextprotocol/client'
import { isoTime, newId } from '@valetkey/sdk/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginChange } from '../../packages/server/src/store/index.ts'
import { chainOf, type Hand } from '../integration/delegation-stage.ts'
import { createHand } from './hand.ts'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import { say, send } from './say.ts'
import { claimsOf, openTokenSigner, type TokenSigner } from './signed-token.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

/**
 * What can be tried at an enforcement point with delegated tokens. Where a token is to say what the authority never would, it is
 * signed with the authority's own key: then only what the point knows itself stands against it.
 */
let world: World
let signer: TokenSigner
let alpha: Hand
let bravo: Hand
let charlie: Hand
/** What bravo holds: for alpha for Maya, limited to Acme; for alpha alone; for charlie alone. */
let forMaya: { token: string; links: string[] }
let forAlpha: { token: string; links: string[] }
let forCharlie: { token: string; links: string[] }

const RESOURCE = () => world.billing.resource

beforeAll(async () => {
  world = await startWorld()
  signer = await openTokenSigner(world)
  const { api } = world
  await api.delegationRules.put({ from: 'organization', to: 'organization' })
  ;[alpha, bravo, charlie] = [await hire('alpha'), await hire('bravo'), await hire('charlie')]
  for (const email of ['maya@northwind.test', 'jon@northwind.test'])
    await api.assignments.create({ principal: `user:${email}`, role: 'billing-analyst' })
  const grant = await api.grants.create({
    ...{ agent: 'alpha', person: 'maya@northwind.test', scopes: ['invoices:read'] },
  })
  forMaya = await between(alpha, bravo, { grant_id: grant.id, on: 'customer/acme' })
  forAlpha = await between(alpha, bravo)
  forCharlie = await between(charlie, bravo)
})
afterAll(() => world[Symbol.asyncDispose]())

async function hire(name: string): Promise<Hand> {
  const { api } = world
  await api.agents.create({ name, owner: 'maya@northwind.test', kind: 'both', ceiling: ['invoices:*'] })
  await api.assignments.create({ principal: name, role: 'billing-analyst' })
  return createHand(world, name)
}

async function between(from: Hand, to: Hand, more: Record<string, string> = {}) {
  const { links, answer } = await chainOf([from, to], more)
  return { links, token: String(answer['access_token']) }
}

/** A call, as a word: `ok`, or why not. */
async function call(
  token: string,
  customer = 'acme',
  { server = world.billing, headers = {}, tool = 'get_invoice', more = {} } = {},
) {
  const invoice = customer === 'acme' ? 'INV-1042' : 'INV-2001'
  const params = { name: tool, arguments: { customer, id: invoice, ...more } }
  return wordOf(await say(server.url, 'tools/call', params, { token, headers }))
}

function wordOf({ status, body }: Awaited<ReturnType<typeof say>>): string {
  if (status !== 200) return String(status)
  return body.result?._meta?.['valetkey/denied']?.reason ?? body.error?.data?.reason ?? 'ok'
}

/** The other agent's name, credential and all, in a token that says so. */
const as = async (hand: Hand) => {
  const { items } = await world.api.credentials.list({ agent: hand.id })
  return { agent: hand.id, client_id: hand.id, cred: items[0]?.id }
}

test('what is handed on is served, within its bounds', async () => {
  expect([await call(forMaya.token), await call(forMaya.token, 'globex')]).toEqual([
    'ok',
    'delegation_resource',
  ])
  expect([await call(forAlpha.token), await call(forAlpha.token, 'globex')]).toEqual(['ok', 'ok'])
})

describe('spliced chains', () => {
  test.each([
    ['a link before the one that there is', () => [forCharlie.links[0], forAlpha.links[0]]],
    ['a link after it', () => [forAlpha.links[0], forCharlie.links[0]]],
    ['the same link twice', () => [forAlpha.links[0], forAlpha.links[0]]],
    ['a link of another grant', () => [forMaya.links[0], forAlpha.links[0]]],
  ])('%s', async (_, dlg) => {
    expect(await call(signer.change(forAlpha.token, { dlg: dlg() }))).toBe('401')
  })

  test('a chain of its own, and the person of another', async () => {
    const { gid, sub } = claimsOf(forMaya.token)
    expect(await call(signer.change(forAlpha.token, { gid, sub }))).toBe('401')
    expect(await call(signer.change(forMaya.token, { dlg: forAlpha.links }))).toBe('401')
  })
})

describe('swapped actors', () => {
  test('another agent at the end of the chain', async () => {
    expect(await call(signer.change(forAlpha.token, await as(charlie)))).toBe('401')
    expect(await call(signer.change(forAlpha.token, await as(alpha)))).toBe('401')
  })

  test('another actor in what is for people to read changes nothing that is decided', async () => {
    const act = { iss: world.url, sub: charlie.id }
    expect(await call(signer.change(forMaya.token, { act }), 'globex')).toBe('delegation_resource')
  })
})

describe('a stripped act', () => {
  test('without the key of the authority', async () => {
    const { act: _, ...claims } = claimsOf(forMaya.token)
    const [head, , signature] = forMaya.token.split('.')
    const body = Buffer.from(JSON.stringify(claims)).toString('base64url')
    expect(await call(`${head}.${body}.${signature}`)).toBe('401')
  })

  test('signed: the chain still bounds', async () => {
    const stripped = signer.change(forMaya.token, { act: undefined })
    expect([await call(stripped), await call(stripped, 'globex')]).toEqual(['ok', 'delegation_resource'])
  })

  test('with the links too: then the grant is of somebody else', async () => {
    expect(await call(signer.change(forMaya.token, { act: undefined, dlg: undefined }))).not.toBe('ok')
  })
})

describe('forged links', () => {
  test('one that was never made, and one that was offered and not taken up', async () => {
    const offer = await alpha.delegate(bravo)
    for (const dlg of [[newId('delegation')], [String(offer['delegation_id'])], ['dlg_'], ['']])
      expect(await call(signer.change(forAlpha.token, { dlg })), String(dlg)).toBe('401')
  })

  test('more than any chain has', async () => {
    const dlg = Array.from({ length: 17 }, () => forAlpha.links[0])
    expect(await call(signer.change(forAlpha.token, { dlg }))).toBe('401')
  })
})

test('a handle is used twice, and by two at once', async () => {
  const offer = await alpha.delegate(bravo, { scope: 'invoices:read' })
  const handle = offer['subject_token']
  const more = { resource: RESOURCE() }
  const answers = await Promise.all([
    bravo.redeem(handle, more),
    bravo.redeem(handle, more),
    charlie.redeem(handle, more),
  ])
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(await bravo.redeem(handle, more)).toMatchObject({ status: 400, error: 'invalid_request' })
})

describe("bravo's token presented by charlie", () => {
  test('to the authority, to exchange it or to hand it on', async () => {
    const type = 'urn:ietf:params:oauth:token-type:access_token'
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', resource: RESOURCE() }
    const subject = { subject_token: forAlpha.token, subject_token_type: type }
    expect(await charlie.send('/token', { ...form, ...subject })).toMatchObject({ error: 'invalid_request' })
    expect(await charlie.exchange(forAlpha.links[0])).toMatchObject({ error: 'invalid_request' })
    expect(await charlie.delegate(alpha, { delegation_id: forAlpha.links[0] ?? '' })).toMatchObject({
      status: 400,
    })
  })

  test('to a server, where it is bound to a key: without one, and with a proof by another', async () => {
    const [own, other] = await Promise.all(
      [1, 2].map(async () => DpopSession.create({ keyPair: await generateDpopKeyPair() })),
    )
    const bound = signer.change(forAlpha.token, { cnf: { jkt: own?.thumbprint } })
    // Proofs that may be from before the start of the point need a nonce of it.
    const prove = async (by: DpopSession | undefined, htu = world.billing.url, htm = 'POST') => {
      const proof = async (nonce?: string) => ({
        authorization: `DPoP ${bound}`,
        dpop: (await by?.buildProof({ htm, htu, accessToken: bound, ...(nonce && { nonce }) })) ?? '',
      })
      const first = await say(world.billing.url, 'tools/list', {}, { headers: await proof() })
      const nonce = first.headers.get('dpop-nonce') ?? undefined
      return nonce === undefined
        ? first.status
        : (await say(world.billing.url, 'tools/list', {}, { headers: await proof(nonce) })).status
    }
    expect(await prove(own)).toBe(200)
    expect(await prove(other)).toBe(401)
    expect(await call(bound)).toBe('401')
    // DPoP proofs for another method or URL.
    expect(await prove(own, world.billing.url, 'GET')).toBe(401)
    expect(await prove(own, `${world.billing.url}/other`)).toBe(401)
  })
})

describe('toolhive#6424: bravo acting for alpha for Maya', () => {
  test('does not use what it may for Jon', async () => {
    const jons = await world.api.grants.create({
      ...{ agent: 'bravo', person: 'jon@northwind.test', scopes: ['invoices:*'] },
    })
    expect(await call(forMaya.token, 'globex')).toBe('delegation_resource')
    const mixed = signer.change(forMaya.token, { gid: jons.id, sub: jons.person })
    expect(await call(mixed)).toBe('401')
  })

  test('does not use what it may by itself', async () => {
    const refund = { tool: 'refund_invoice', more: { amount: 5 } }
    const own = signer.change(forMaya.token, { scope: 'invoices:*' })
    expect(await call(own, 'acme', refund)).not.toBe('ok')
  })
})

describe('time travel', () => {
  test('ten minutes each way: what was taken back stays so, and what has ended has', async () => {
    let shift = 0
    const clock = { now: () => Date.now() + shift, monotonic: () => performance.now() }
    const library = createLibrary()
    const server: GuardedServer = await world.serve({
      ...{ name: 'library', handler: library.handler, rules: LIBRARY_RULES },
      guard: { clock },
    })
    const link = await between(alpha, bravo, { expires_in: '300', scope: 'invoices:read' })
    const token = String((await bravo.exchange(link.links[0], { resource: server.resource }))['access_token'])
    const search = async () =>
      (await say(server.url, 'tools/call', { name: 'search', arguments: { q: 'x' } }, { token })).status
    expect(await search()).toBe(200)
    shift = 10 * 60_000
    expect(await search()).toBe(401)
    shift = 0
    await world.api.revocations.create({ kind: 'delegation', id: link.links[0] ?? '', waitMs: 10_000 })
    for (const minutes of [0, 10, -10, 0]) {
      shift = minutes * 60_000
      expect(await search(), `${minutes} minutes`).not.toBe(200)
    }
    await sleep(50)
    expect(await search()).toBe(401)
  })
})

test('a call of a delegate that is under way is cut when the link before its own is taken back', async () => {
  const library = createLibrary()
  const server = await world.serve({ name: 'slow', handler: library.handler, rules: LIBRARY_RULES })
  const { links } = await chainOf([alpha, bravo, charlie], { scope: 'invoices:read' })
  const token = String((await charlie.exchange(links[1], { resource: server.resource }))['access_token'])
  const pending = say(server.url, 'tools/call', { name: 'wait', arguments: { ms: 60_000 } }, { token })
  const stream = await send(
    server.url,
    'subscriptions/listen',
    { notifications: { toolsListChanged: true } },
    { token, era: 'modern' },
  )
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
  await reader?.read()
  await expect.poll(() => library.ran).toContain('wait')
  await world.api.revocations.create({ kind: 'delegation', id: links[0] ?? '', waitMs: 10_000 })
  const { status, text } = await pending
  expect(status === 401 || !text.includes('done')).toBe(true)
  await expect.poll(() => library.ran).toContain('wait was cancelled')
  const end = await Promise.race([reader?.read().catch(() => ({ done: true })), sleep(5_000)])
  expect(end).toMatchObject({ done: true })
})

test('a storm of 100,000 revocations: calls go on, and each of them holds once the barrier says so', async () => {
  const { organization } = await world.api.agents.get({ id: 'alpha' })
  const [taken, kept] = [await between(alpha, bravo), await between(alpha, bravo)]
  const expiresAt = Date.now() + 900_000
  const answers: string[] = []
  let isOver = false
  const calling = (async () => {
    while (!isOver) answers.push(await call(kept.token).catch(() => 'the connection was closed'))
  })()
  const store = world.authority.store()
  let revision = 0
  for (let portion = 0; portion < 100; portion++) {
    revision = await store.write(async tx => {
      const ids = Array.from({ length: 1_000 }, () => newId('accessToken'))
      if (portion === 50) ids.push(String(claimsOf(taken.token)['jti']))
      for (let at = 0; at < ids.length; at += 100)
        await tx
          .insertInto('revokedToken')
          .values(
            ids
              .slice(at, at + 100)
              .map(id => ({ id, organizationId: organization, agentId: '', expiresAt: isoTime(expiresAt) })),
          )
          .execute()
      const change = await beginChange(tx, organization, { actor: 'tok_storm', now: Date.now() })
      await change.logAll(ids.map(id => ({ fact: 'revoked_token', id, value: { id, expiresAt } })))
      return change.revision
    })
    // As if each came by a request of its own: the calls of others get their turn.
    for (const before = answers.length; answers.length === before; ) await sleep(1)
  }
  expect(revision).toBeGreaterThan(100)
  // The connection of before the storm may have been closed meanwhile.
  const wait = () => world.api.points.wait({ organization, waitMs: 30_000 })
  const barrier = await wait().catch(wait)
  expect(barrier.complete).toBe(true)
  expect(await call(taken.token)).toBe('401')
  isOver = true
  await calling
  const served = answers.filter(answer => answer !== 'the connection was closed')
  // On a busy machine some find the replica behind, and are told to try again.
  expect(served.filter(answer => answer === 'ok').length).toBeGreaterThan(10)
  expect(served.filter(answer => answer !== 'ok' && answer !== 'stale')).toEqual([])
  await expect.poll(() => call(kept.token).catch(String)).toBe('ok')
  // A start after the storm knows them all before it decides for the first time.
  const library = createLibrary()
  const late = await world.serve({ name: 'late', handler: library.handler, rules: LIBRARY_RULES })
  const forLate = String((await bravo.exchange(taken.links[0], { resource: late.resource }))['access_token'])
  const revoked = signer.change(forLate, { jti: claimsOf(taken.token)['jti'] })
  const params = { name: 'search', arguments: { q: 'x' } }
  const search = async (token: string): Promise<string> => {
    const word = wordOf(await say(late.url, 'tools/call', params, { token }))
    // Until it knows them all, which on a busy machine takes a while.
    return word === 'stale' ? search(token) : word
  }
  expect(await search(revoked)).toBe('401')
  expect(await search(forLate)).toBe('ok')
})
