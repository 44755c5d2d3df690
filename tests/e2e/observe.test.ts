import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import type { Identity } from './identity.ts'
import { read, type Sent, say, send } from './say.ts'
import { event, type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'
import { openTokenSigner, type TokenSigner } from './signed-token.ts'
import { type Call, startWorld, type World } from './world.ts'

const RULES = {
  echo: { needs: 'files:read', risk: 'read' },
  wipe: { needs: 'files:write', mode: 'enforce' },
} as const
const TOOLS = ['echo', 'wipe', 'unmapped'].map(name => ({
  name,
  description: `It is ${name}`,
  inputSchema: { type: 'object', properties: {} },
}))
const LEGACY = 'sk-legacy-0123456789abcdef'
const ECHO = { name: 'echo', arguments: {} }

/** A server behind a point, with the headers of what reached it. */
interface Place {
  name: string
  url: string
  metrics(): string
  arrived: Record<string, string | undefined>[]
}

let world: World
let signer: TokenSigner
let upstream: ScriptedUpstream
let stage: GatewayStage
let bot: Identity
const places: Record<string, Place> = {}

beforeAll(async () => {
  world = await startWorld()
  signer = await openTokenSigner(world)
  upstream = await startScriptedUpstream()
  upstream.tools = TOOLS
  const atGuard: Place['arrived'] = []
  const guarded = await world.serve({
    name: 'guarded',
    rules: RULES,
    async handler(request, { parsedBody, authInfo }) {
      const message = (parsedBody ?? (await request.json())) as { id?: number; method: string }
      if (message.method === 'tools/call')
        atGuard.push({ ...Object.fromEntries(request.headers), agent: authInfo?.extra.agent })
      const results: Record<string, object> = {
        'server/discover': { capabilities: { tools: {} } },
        'tools/list': { tools: TOOLS },
        'tools/call': { content: [{ type: 'text', text: 'done' }] },
      }
      return Response.json({ jsonrpc: '2.0', id: message.id, result: results[message.method] ?? {} })
    },
  })
  places['guard'] = { name: 'guarded', url: guarded.url, metrics: guarded.guard.metrics, arrived: atGuard }
  stage = await startGatewayStage(world, { name: 'behind', upstream: upstream.url, rules: RULES })
  await world.api.servers.setUpstreamCredential({ id: 'behind', value: 'Bearer of-the-gateway' })
  const atUpstream: Place['arrived'] = []
  upstream.onCall = ({ message, request, response, reply }) => {
    if (message.method === 'tools/call') atUpstream.push(request.headers as Record<string, string>)
    if (message.params?.arguments?.stream !== true)
      return reply({ content: [{ type: 'text', text: 'done' }] })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }))
  }
  places['gateway'] = { name: 'behind', url: stage.url, metrics: stage.gateway.metrics, arrived: atUpstream }
  bot = await world.identify('support-bot')
})
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** Observes both servers for so long, from the moment at which both points know it. */
async function observe(ms = 3_600_000): Promise<void> {
  const observeUntil = new Date(Date.now() + ms).toISOString()
  for (const { name } of Object.values(places))
    await world.api.servers.update({ id: name, mode: 'observe', observeUntil })
  await world.api.points.wait({})
}

async function enforce(): Promise<void> {
  for (const { name } of Object.values(places)) await world.api.servers.update({ id: name, mode: 'enforce' })
  await world.api.points.wait({})
}

const call = (place: Place, headers: Record<string, string>, params: object = ECHO, sent: Sent = {}) =>
  say(place.url, 'tools/call', { ...params }, { ...sent, era: 'modern', headers })

async function lastCall(place: Place, credential: string | null): Promise<Call | undefined> {
  const { id } = await world.api.servers.get({ id: place.name })
  for (const until = Date.now() + 5_000; Date.now() < until; await new Promise(r => setTimeout(r, 20))) {
    const calls = await world.calls({ server: id }, 1)
    const found = calls.find(one => one.credential === credential)
    if (found) return found
  }
  return undefined
}

describe.each(['guard', 'gateway'])('%s', kind => {
  const place = (): Place => places[kind] ?? { name: '', url: '', metrics: () => '', arrived: [] }
  beforeEach(async () => {
    await observe()
    place().arrived.splice(0)
  })

  test('who has no identity here passes with its own credential, and is known by a fingerprint', async () => {
    const key = { authorization: `Bearer ${LEGACY}` }
    expect((await call(place(), key)).body.result.content[0].text).toBe('done')
    expect(place().arrived[0]?.['authorization']).toBe(`Bearer ${LEGACY}`)
    // Of this place alone: what came to the other one last may be shipped already, and this not yet.
    const { id } = await world.api.servers.get({ id: place().name })
    const calls = await world.calls({ server: id, reason: 'unidentified' }, 1)
    const [recorded] = calls
    expect(recorded).toMatchObject({
      ...{ decision: 'deny', reason: 'unidentified', enforced: false, mode: 'observe' },
      ...{ agent: null, organization: null, tool: 'echo', permission: 'files:read', detail: null },
      credential: expect.stringMatching(/^fp_[\w-]{26}$/),
    })
    expect(JSON.stringify(calls)).not.toContain(LEGACY)
    await call(place(), { 'x-api-key': LEGACY }, { name: 'unmapped', arguments: {} })
    expect(place().arrived[1]).toMatchObject({ 'x-api-key': LEGACY })
    const asked = { server: id, tool: 'unmapped', reason: 'unidentified' }
    const unmapped = (await world.calls(asked, 1))[0]
    expect(unmapped).toMatchObject({
      enforced: false,
      detail: expect.stringContaining('not in the tool map'),
    })
    expect(unmapped?.credential).not.toBe(recorded?.credential)
    expect(place().metrics()).toMatch(
      /verdict="deny",reason="unidentified",server="\w+",mode="observe"} [1-9]/,
    )
  })

  test('the same credential has the same fingerprint, and none has none', async () => {
    await call(place(), { authorization: `bearer  ${LEGACY}` })
    await call(place(), { authorization: `Bearer ${LEGACY}` })
    await call(place(), {})
    const { id } = await world.api.servers.get({ id: place().name })
    const calls = (await world.calls({ server: id, tool: 'echo' }, 3)).slice(0, 3)
    // Calls of one millisecond have no order.
    const shown = calls.map(({ credential }) => credential)
    expect(shown.filter(credential => credential === null)).toHaveLength(1)
    expect(new Set(shown).size).toBe(2)
  })

  test('lists hide nothing, and are not for others', async () => {
    const { body } = await say(
      place().url,
      'tools/list',
      {},
      { era: 'modern', headers: { 'api-key': LEGACY } },
    )
    expect(body.result.tools.map(({ name }: { name: string }) => name)).toEqual(['echo', 'wipe', 'unmapped'])
    expect(body.result.cacheScope).toBe('private')
  })

  test('a rule with a mode of its own keeps it', async () => {
    const { status } = await call(
      place(),
      { authorization: `Bearer ${LEGACY}` },
      { name: 'wipe', arguments: {} },
    )
    expect(status).toBe(401)
    expect(place().arrived).toEqual([])
    expect((await world.calls({ tool: 'wipe' }, 1))[0]).toMatchObject({ enforced: true, mode: 'enforce' })
  })

  test('who has an identity keeps it: it is decided, recorded, and let pass', async () => {
    const token = await bot.token(place().url)
    expect(
      (await call(place(), { authorization: `Bearer ${token}` }, { name: 'unmapped', arguments: {} })).status,
    ).toBe(200)
    const recorded = await lastCall(place(), bot.secret.credential)
    expect(recorded).toMatchObject({
      agentName: 'support-bot',
      reason: 'tool_unmapped',
      enforced: false,
      mode: 'observe',
    })
    if (kind === 'guard') expect(place().arrived[0]).toMatchObject({ agent: recorded?.agent })
    else expect(place().arrived[0]?.['authorization']).toBe('Bearer of-the-gateway')
    expect(JSON.stringify(place().arrived)).not.toContain(token)
  })

  test('401: what is ours and bad is refused, in whatever header, and reaches nobody', async () => {
    const good = await bot.token(place().url)
    const { clientId, clientSecret } = bot.secret
    const bad = {
      expired: signer.change(good, { exp: 1_700_000_000 }),
      'for another server': await bot.token(world.billing.url),
      'signed by nobody': `${good.slice(0, -6)}AAAAAA`,
      unsigned: `${good.split('.').slice(0, 2).join('.')}.`,
    }
    for (const [what, token] of Object.entries(bad)) {
      expect((await call(place(), { authorization: `Bearer ${token}` })).status, what).toBe(401)
      expect((await call(place(), { authorization: `Basic ${token}` })).status, what).toBe(401)
      expect((await call(place(), { 'x-api-key': token })).status, what).toBe(401)
    }
    const others = ['vk_rt_', 'vk_boot_', 'vk_launch_'].map(kind => `${kind}${'x9'.repeat(20)}`)
    for (const secret of [clientSecret, `${clientId}:${clientSecret}`, ...others]) {
      const basic = Buffer.from(secret).toString('base64')
      expect((await call(place(), { authorization: `Basic ${basic}` })).status).toBe(401)
      expect((await call(place(), { 'api-key': secret })).status).toBe(401)
    }
    // Good, but shown where nobody looks at it.
    expect((await call(place(), { 'x-api-key': good })).status).toBe(401)
    expect(place().arrived).toEqual([])
  })

  test('401: a revoked agent stays out, and a frozen server lets nobody pass', async () => {
    const gone = await world.api.credentials.create({ agent: 'support-bot', kind: 'secret', label: 'gone' })
    const leaked = signer.change(await bot.token(place().url), { cred: gone.id })
    await world.api.revocations.create({ kind: 'credential', id: gone.id, reason: 'test', waitMs: 10_000 })
    expect((await call(place(), { authorization: `Bearer ${leaked}` })).status).toBe(401)
    await world.api.servers.update({ id: place().name, status: 'frozen' })
    await world.api.points.wait({})
    const frozen = await call(place(), { authorization: `Bearer ${LEGACY}` })
    expect(JSON.stringify(frozen.body)).toContain('"reason":"frozen"')
    await world.api.servers.update({ id: place().name, status: 'active', reason: 'looked into' })
    expect(place().arrived).toEqual([])
  })

  test('a frozen tool lets nobody pass, and is there again when it is thawed', async () => {
    const [echo, key] = [`${place().name}/echo`, { authorization: `Bearer ${LEGACY}` }]
    await world.api.freezes.freeze({ kind: 'tool', id: echo, waitMs: 10_000 })
    const { body } = await call(place(), key)
    await world.api.freezes.thaw({ kind: 'tool', id: echo, waitMs: 10_000, reason: 'looked into' })
    expect(JSON.stringify(body)).toContain('"reason":"frozen"')
    expect(place().arrived).toEqual([])
    expect((await call(place(), key)).body.result.content[0].text).toBe('done')
  })

  test('it ends when an administrator ends it', async () => {
    await enforce()
    const { status, headers } = await call(place(), { authorization: `Bearer ${LEGACY}` })
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toContain('resource_metadata=')
    expect(place().arrived).toEqual([])
  })

  test('it ends by itself, on the second', async () => {
    await observe(2_500)
    const end = Date.parse((await world.api.servers.get({ id: place().name })).observeUntil ?? '')
    const statuses: [number, number][] = []
    while (Date.now() < end + 300) {
      const asked = Date.now()
      const { status } = await call(place(), { authorization: `Bearer ${LEGACY}` })
      statuses.push([status, status === 200 ? asked : Date.now()])
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(statuses.some(([status]) => status === 200)).toBe(true)
    expect(statuses.some(([status]) => status === 401)).toBe(true)
    // Nothing that was asked after the end passed, and nothing that was answered before it was refused.
    expect(statuses.filter(([status, at]) => (status === 200 ? at >= end : at < end))).toEqual([])
    expect(await world.api.servers.get({ id: place().name })).toMatchObject({
      mode: 'enforce',
      observeUntil: null,
    })
  })
})

test('the gateway lets the server behind refuse a credential that is not the gateway’s', async () => {
  await observe()
  upstream.secret = 'Bearer of-the-gateway'
  const refused = await call(places['gateway'] as Place, { authorization: `Bearer ${LEGACY}` })
  expect(refused.status).toBe(401)
  expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="theirs"')
  const token = await bot.token(stage.url)
  expect((await call(places['gateway'] as Place, { authorization: `Bearer ${token}` })).status).toBe(200)
  upstream.secret = null
})

test('a stream of who has no identity is cut when the observation ends', async () => {
  await observe()
  const response = await send(
    stage.url,
    'tools/call',
    { name: 'echo', arguments: { stream: true } },
    { era: 'modern', headers: { authorization: `Bearer ${LEGACY}` } },
  )
  expect(response.status).toBe(200)
  await enforce()
  expect((await read(response)).text).toContain('notifications/progress')
})
