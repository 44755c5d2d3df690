import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DpopSession } from '@modelcontextprotocol/client'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { Halted } from '@valetkey/sdk/agent'
import type { Guard } from '@valetkey/sdk/guard'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { createReports } from '../../examples/reports.ts'
import type { Identity } from './identity.ts'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import { read, say } from './say.ts'
import { claimsOf, openTokenSigner } from './signed-token.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

const RULE = { needs: 'invoices:read', risk: 'read' } as const
const REPORT = {
  name: 'invoice_report',
  arguments: { customer: 'acme', id: 'INV-1042' },
}

let world: World
let bot: Identity
let reports: GuardedServer
let library: GuardedServer
let desk: GuardedServer
const books = createLibrary()
/** A server behind no guard at all, which keeps what is sent to it. */
const heard: { authorization: string; body: string }[] = []
const listener = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  heard.push({
    authorization: request.headers.authorization ?? '',
    body: JSON.stringify(request.headers) + body,
  })
  response.end('{}')
})
let bare: string

beforeAll(async () => {
  world = await startWorld()
  bot = await world.identify('support-bot')
  await new Promise<void>(done => void listener.listen(0, '127.0.0.1', done))
  bare = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`
  await world.api.servers.create({ name: 'bare', url: bare })
  await world.api.tools.map({ server: 'bare', kind: 'method', name: 'x/read', permission: 'invoices:read' })
  const forward: Guard['forward'] = (call, next) => reports.guard.forward(call, next)
  const { fetch: handler } = createReports({ forward }, world.billing.resource)
  reports = await world.serve({ name: 'reports', handler, rules: { invoice_report: RULE } })
  library = await world.serve({ name: 'library', handler: books.handler, rules: LIBRARY_RULES })
  desk = await world.serve({ name: 'desk', handler: createDesk().fetch, rules: { pass_on: RULE } })
  for (const to of ['billing']) await world.api.forwards.allow({ server: 'reports', to })
  for (const to of ['bare', 'library', 'billing']) await world.api.forwards.allow({ server: 'desk', to })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  listener.closeAllConnections()
  listener.close()
})

/** A server whose tool sends one call on, by hand, and says what came of it. */
function createDesk() {
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'desk', version: '1' })
    const inputSchema = z.object({
      to: z.string(),
      tool: z.string(),
      arguments: z.record(z.string(), z.json()),
    })
    server.registerTool('pass_on', { inputSchema }, async ({ to, tool, arguments: args }, ctx) => {
      const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } }
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
      }
      const answer = await desk.guard
        .forward(ctx, { to })(to, { method: 'POST', headers, body: JSON.stringify(message) })
        .then(async response => {
          const { status, body } = await read(response)
          return status === 200 ? (body?.result?._meta?.['valetkey/denied']?.reason ?? 'ok') : String(status)
        })
        .catch(
          (fault: unknown) => `${fault instanceof Halted ? 'halted' : 'failed'}: ${(fault as Error).message}`,
        )
      return { content: [{ type: 'text', text: answer }] }
    })
    return server
  })
}

const report = (token: string, change: object = {}) =>
  say(reports.url, 'tools/call', { ...REPORT, ...change }, { token })

/** What the desk says of a call that it sends on. */
async function passOn(
  token: string,
  to: string,
  tool = 'search',
  args: object = { q: 'x' },
  signal?: AbortSignal,
) {
  const call = { name: 'pass_on', arguments: { to, tool, arguments: args } }
  const { status, body } = await say(desk.url, 'tools/call', call, { token, ...(signal && { signal }) })
  if (status !== 200) return String(status)
  return body === null ? 'cut' : String(body.result?.content?.[0]?.text)
}

const jtiOf = (token: string) => String(decodeJwt(token).jti)
const isForwarded = ({ forwarded }: { forwarded?: readonly { token: string }[] | undefined }, jti: string) =>
  forwarded?.at(-1)?.token === jti

test('a guarded server calls another one for its caller: decided there again, and on record with the way it came', async () => {
  const token = await bot.token(reports.resource)
  const { body } = await report(token)
  expect(body.result.content[0].text).toContain('"amount":120')
  const calls = await world.calls({ server: 'billing', tool: 'get_invoice' } as never)
  const call = calls.find(one => isForwarded(one, jtiOf(token)))
  const agent = (await world.api.agents.get({ id: 'support-bot' })).id
  const server = (await world.api.servers.get({ id: 'reports' })).id
  expect(call).toMatchObject({ agent, decision: 'permit', forwarded: [{ server, token: jtiOf(token) }] })
  expect(call?.token).not.toBe(jtiOf(token))
  // Decided once more as of that moment, it comes out the same.
  expect(await world.api.decisions.rebuild({ id: call?.id ?? '' })).toMatchObject({ agrees: true })
})

test('one exchange serves all calls of a token, also of many at once; another token has its own', async () => {
  const [one, other] = [await bot.token(desk.resource), await bot.token(desk.resource)]
  const answers = await Promise.all(Array.from({ length: 6 }, () => passOn(one, library.resource)))
  expect([...answers, await passOn(one, library.resource), await passOn(other, library.resource)]).toEqual(
    Array(8).fill('ok'),
  )
  const { items } = await world.api.audit.changes({ limit: 200, type: 'token.issued' })
  for (const token of [one, other])
    expect(items.filter(({ detail }) => detail['from'] === jtiOf(token))).toHaveLength(1)
})

test('the next server sees no token of the caller, and the handler none at all', async () => {
  const token = await bot.token(desk.resource)
  expect(await passOn(token, bare)).toBe('ok')
  const { authorization, body } = heard.at(-1) ?? { authorization: '', body: '' }
  const [scheme, sent = ''] = authorization.split(' ')
  expect(scheme).toBe('DPoP')
  expect(decodeJwt(sent)).toMatchObject({ aud: bare, scope: 'invoices:read', fwd: [{ jti: jtiOf(token) }] })
  expect(body).not.toContain(token)
})

test('resources are decided at the next server, whatever the first one let through', async () => {
  const token = await bot.token(desk.resource)
  const { resource } = world.billing
  expect(await passOn(token, resource, 'get_invoice', { customer: 'acme', id: 'INV-1042' })).toBe('ok')
  expect(await passOn(token, resource, 'get_invoice', { customer: 'acme', id: 'INV-9' })).toBe(
    'resource_unknown',
  )
  const refund = { customer: 'acme', id: 'INV-1042', amount: 20 }
  // Its token for the desk does not carry it, so nor does the one that was exchanged.
  expect(await passOn(token, resource, 'refund_invoice', refund)).toBe('scope_missing')
})

describe('halts with the reason', () => {
  test('where no rule lets the server call that one', async () => {
    const said = await passOn(
      await bot.token(desk.resource),
      reports.resource,
      'invoice_report',
      REPORT.arguments,
    )
    expect(said).toMatch(/^halted: .*unauthorized_client.*no rule lets desk call that server for others/)
  })

  test('where the token of the caller was taken back meanwhile, by its id: what was exchanged for it is over too', async () => {
    const [token, other] = [await bot.token(desk.resource), await bot.token(desk.resource)]
    expect(await passOn(token, library.resource)).toBe('ok')
    expect(await passOn(other, library.resource)).toBe('ok')
    const pending = passOn(token, library.resource, 'wait', { ms: 20_000 })
    await expect.poll(() => books.ran.includes('wait')).toBe(true)
    await world.api.revocations.create({ kind: 'token', id: jtiOf(token), waitMs: 10_000 })
    expect(await pending).toBe('cut')
    await expect.poll(() => books.ran.includes('wait was cancelled')).toBe(true)
    expect(await passOn(token, library.resource)).toBe('401')
    expect(await passOn(other, library.resource)).toBe('ok')
  })

  test('where the rule is taken away: the next server refuses, and the authority gives no other token', async () => {
    const token = await bot.token(desk.resource)
    expect(await passOn(token, library.resource)).toBe('ok')
    await world.api.forwards.disallow({ server: 'desk', to: 'library' })
    await world.api.points.wait({})
    expect(await passOn(token, library.resource)).toMatch(/^halted: .*no rule lets desk call/)
    await world.api.forwards.allow({ server: 'desk', to: 'library' })
    await world.api.points.wait({})
    expect(await passOn(await bot.token(desk.resource), library.resource)).toBe('ok')
  })

  test('for a call that did not come through the guard', () => {
    for (const call of [{}, undefined, new Request('http://made.up/')])
      expect(() => desk.guard.forward(call, { to: library.resource })).toThrow(/did not come through/)
  })
})

describe('who takes a token that was exchanged', () => {
  const say1 = (token: string, headers: Record<string, string> = {}) =>
    say(library.url, 'tools/call', { name: 'search', arguments: { q: 'x' } }, { token, headers })

  /** A token that the desk could have, bound to a key of ours. */
  async function stolen(session: DpopSession) {
    const token = await bot.token(desk.resource)
    const { id, key } = await world.api.serverKeys.create({ server: 'desk' })
    const htu = `${world.url}/token`
    const send = async () => {
      const response = await fetch(htu, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          dpop: await session.buildProof({ htm: 'POST', htu }),
        },
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          resource: library.resource,
        }),
      })
      session.rememberNonce(htu, response.headers.get('dpop-nonce') ?? '')
      return (await response.json()) as { access_token?: string }
    }
    await send()
    return { inbound: token, token: String((await send()).access_token), key: id }
  }

  /** Shows a token with a proof, and once more with the nonce where one is asked for. */
  async function show(token: string, session: DpopSession, call?: { name: string; arguments: object }) {
    const send = async () => {
      const dpop = await session.buildProof({ htm: 'POST', htu: library.resource, accessToken: token })
      const headers = { authorization: `DPoP ${token}`, dpop }
      return call ? say(library.url, 'tools/call', call, { token: '', headers }) : say1('', headers)
    }
    const first = await send()
    const nonce = first.headers.get('dpop-nonce')
    if (nonce === null) return first
    session.rememberNonce(library.resource, nonce)
    return send()
  }

  test('has it for as long as what it was exchanged for is there, and the server may call the next one', async () => {
    const { api } = world
    const session = await DpopSession.create()
    const { token, inbound } = await stolen(session)
    const status = async () => {
      await api.points.wait({})
      return (await show(token, session)).status
    }
    expect(await status()).toBe(200)
    const steps: [() => Promise<unknown>, () => Promise<unknown>][] = [
      [
        () => api.servers.update({ id: 'desk', status: 'frozen' }),
        () => api.servers.update({ id: 'desk', status: 'active', reason: 'looked into' }),
      ],
      [
        () => api.forwards.disallow({ server: 'desk', to: 'library' }),
        () => api.forwards.allow({ server: 'desk', to: 'library' }),
      ],
    ]
    for (const [end, mend] of steps) {
      await end()
      expect(await status()).toBe(401)
      await mend()
      expect(await status()).toBe(200)
    }
    await api.revocations.create({ kind: 'token', id: jtiOf(inbound) })
    expect(await status()).toBe(401)
  })

  test('has it for as long as the key is there that it was got by: calls under way are cut, and no other token of the server is', async () => {
    const { api } = world
    const session = await DpopSession.create()
    const { token, key } = await stolen(session)
    const own = await bot.token(desk.resource)
    expect((await show(token, session)).status).toBe(200)
    expect(await passOn(own, library.resource)).toBe('ok')
    const before = books.ran.filter(one => one === 'wait was cancelled').length
    const waits = books.ran.filter(one => one === 'wait').length
    const pending = show(token, session, { name: 'wait', arguments: { ms: 20_000 } })
    await expect.poll(() => books.ran.filter(one => one === 'wait').length).toBe(waits + 1)
    await api.serverKeys.revoke({ server: 'desk', id: key })
    expect((await pending).body).toBeNull()
    await expect.poll(() => books.ran.filter(one => one === 'wait was cancelled').length).toBe(before + 1)
    await api.points.wait({})
    expect((await show(token, session)).status).toBe(401)
    expect(await passOn(own, library.resource)).toBe('ok')
  })

  test('cannot use it without the key: as it is, with another key, or with what bound it cut out', async () => {
    const [own, other] = [await DpopSession.create(), await DpopSession.create()]
    const { token } = await stolen(own)
    expect((await say1(token)).status).toBe(401)
    expect((await show(token, other)).status).toBe(401)
    expect(await show(token, own)).toMatchObject({ status: 200 })
    const signer = await openTokenSigner(world)
    // Signed by the authority's own key, so that only what the point knows stands against it.
    const { fwd } = claimsOf(token) as { fwd?: { srv: string; key: string; jti: string }[] }
    const [hop] = fwd ?? []
    const unbound = (change: object) => signer.change(token, { cnf: undefined, ...change })
    expect((await say1(unbound({}))).status).toBe(200)
    const elsewhere = (await world.api.servers.get({ id: 'reports' })).id
    for (const forged of [
      [{ ...hop, srv: elsewhere }],
      [hop, { ...hop, srv: elsewhere }],
      [{ ...hop, srv: elsewhere, jti: 'atk_x' }, hop],
      // Of nobody, of another server, and left out.
      [{ ...hop, key: 'sky_x' }],
      [{ ...hop, key: (await world.api.serverKeys.list({ server: 'reports' })).items[0]?.id }],
      [{ ...hop, key: undefined }],
    ])
      expect((await say1(unbound({ fwd: forged }))).status, JSON.stringify(forged)).toBe(401)
    for (const aud of [world.billing.resource, desk.resource])
      expect((await say1(unbound({ aud }))).status).toBe(401)
  })
})
