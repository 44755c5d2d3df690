import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { personWith } from '../tests/e2e/person.ts'
import { createBrowser } from '../tests/integration/browser.ts'
import { type Child, startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { basicOf, callFor, type Product, startProduct } from './product.ts'
import type { GuardUrls } from './programs/guard.ts'
import type { Order, Renewal, Target } from './programs/load.ts'

const ROUNDS = 7
const WARM_UP_ROUNDS = 3
const FLOWS = 200
const RENDERS = 300
const REFRESHES = 1_600
const CALLERS = 4
const RENEWERS = 16

const PERSON = 'ada@bench.test'
const PASSWORD = 'seven blue teapots'
const REDIRECT = 'https://app.bench.test/callback'
const VERIFIER = 'v'.repeat(43)
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

/**
 * What it costs the servers when an agent comes back to somebody who is signed in and has let it act before: the whole
 * code flow, its token and the first call; a renewal, beside a bare token endpoint; the page on which people answer.
 */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { directory, authority, resource, serverKey, token, client } = product
  const [guard, load, bare] = await Promise.all([
    startChild<GuardUrls>('guard', {
      ...{ url: authority.ready.url, serverKey, directory, resource, call: callFor(token) },
    }),
    startChild('load'),
    startChild<string>('token-bare', {
      path: join(directory, 'bare.db'),
      resource,
      publicJwk: null,
      ...client,
    }),
  ])
  try {
    const visitor = await signUp(product)
    const flow = await measureFlow(visitor, authority, guard)
    const render = await measureRender(visitor, authority)
    const refresh = await measureRefresh(visitor, { authority, bare, load })
    return {
      figures: {
        flow_cpu_ms: median(flow.total),
        refresh_cpu_ratio: median(refresh.authority.map((us, i) => us / (refresh.bare[i] ?? Number.NaN))),
        consent_render_ms: median(render),
      },
      stages: {
        flow_authority_ms: median(flow.authority),
        flow_guard_ms: median(flow.guard),
        refresh_us: median(refresh.authority),
        refresh_bare_us: median(refresh.bare),
        includes:
          'authorize, the look at what stands, the way back, the token by secret, one guarded call; all records durable',
        token_us: median(refresh.token),
      },
    }
  } finally {
    await Promise.all([guard.stop(), load.stop(), bare.stop(), upstream.stop()])
    await product.close()
  }
}

/** Somebody who is signed in and has let the agent act. */
interface Visitor {
  product: Product
  cookie: string
  ask(more?: Record<string, string>): string
  /** One for each who renews. */
  refreshTokens: string[]
}

const agent = new Agent({ connections: 16, pipelining: 1 })
let lastAddress = 0

/** As a browser asks, from ever another address. */
async function get(url: string, cookie: string) {
  const number = lastAddress++
  const from = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
  const headers = { cookie, 'x-forwarded-for': from }
  const { statusCode, headers: got, body } = await request(url, { dispatcher: agent, headers })
  return {
    status: statusCode,
    location: String(got['location'] ?? ''),
    set: got['set-cookie'],
    text: await body.text(),
  }
}

async function signUp(product: Product): Promise<Visitor> {
  const { api, authority, client, resource } = product
  const { url } = authority.ready
  await api.agents.update({ id: client.id, kind: 'both' })
  await api.assignments.create({ principal: `user:${PERSON}`, role: 'reading' })
  await api.clients.register({ agent: client.id, redirectUris: [REDIRECT] })
  const invited = await api.invitations.create({ id: PERSON })
  const browser = createBrowser(url)
  await browser.submit(await browser.open(invited.url), { password: PASSWORD, again: PASSWORD })
  await browser.submit(await browser.open('/sign-in'), { email: PERSON, password: PASSWORD })
  const cookie = [...browser.cookies].map(([name, { value }]) => `${name.split(' ')[0]}=${value}`).join('; ')
  const ask = (more: Record<string, string> = {}) => {
    const query = {
      ...{ client_id: client.id, redirect_uri: REDIRECT, response_type: 'code', state: 's', resource },
      ...{ code_challenge: CHALLENGE, code_challenge_method: 'S256', scope: 'invoices:read' },
    }
    return `${url}/authorize?${new URLSearchParams({ ...query, ...more })}`
  }
  const asked = await browser.open(ask({ scope: 'invoices:read offline_access' }))
  const { leaves } = await personWith(browser, PERSON).answer(asked)
  const refreshTokens: string[] = []
  for (let at = leaves; refreshTokens.length < RENEWERS; ) {
    const { refresh_token } = await redeem(product, at?.searchParams.get('code') ?? '')
    if (refresh_token === undefined) throw new Error('there is no refresh token')
    refreshTokens.push(refresh_token)
    at = (await browser.open(ask({ scope: 'invoices:read offline_access' }))).leaves
  }
  return { product, cookie, ask, refreshTokens }
}

async function redeem({ authority, client }: Product, code: string) {
  const { body } = await request(`${authority.ready.url}/token`, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(
      new URLSearchParams({
        ...{ grant_type: 'authorization_code', client_id: client.id, client_secret: client.secret, code },
        ...{ redirect_uri: REDIRECT, code_verifier: VERIFIER },
      }),
    ),
  })
  return (await body.json()) as { access_token?: string; refresh_token?: string }
}

/** The cookies of an answer, as they are sent back. */
function cookiesOf(set: string | string[] | undefined): string {
  return [set ?? []]
    .flat()
    .map(text => text.split(';', 1)[0])
    .join('; ')
}

async function goThrough({ product, cookie, ask }: Visitor, guarded: string): Promise<void> {
  const { url } = product.authority.ready
  const asked = await get(ask(), cookie)
  const all = `${cookie}; ${cookiesOf(asked.set)}`
  const answered = await get(new URL(asked.location, url).href, all)
  if (answered.location === '') throw new Error(`the page asks: ${answered.status} ${answered.text}`)
  const back = await get(new URL(answered.location, url).href, all)
  const code = new URL(back.location).searchParams.get('code')
  const { access_token = '' } = await redeem(product, code ?? '')
  const { body, headers } = callFor(access_token)
  const called = await request(guarded, { dispatcher: agent, method: 'POST', headers, body })
  const text = await called.body.text()
  if (!text.includes('INV-1042') || text.includes('"isError":true'))
    throw new Error(`the call failed: ${text}`)
}

async function times(count: number, callers: number, work: () => Promise<void>): Promise<void> {
  let left = count
  const caller = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

async function measureFlow(visitor: Visitor, authority: Child<unknown>, guard: Child<GuardUrls>) {
  const found = { total: [] as number[], authority: [] as number[], guard: [] as number[] }
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const before = [await authority.cpuMicros(), await guard.cpuMicros()] as const
    await times(FLOWS, CALLERS, () => goThrough(visitor, guard.ready.guarded))
    const [own, its] = [(await authority.cpuMicros()) - before[0], (await guard.cpuMicros()) - before[1]]
    if (round < WARM_UP_ROUNDS) continue
    found.authority.push(own / FLOWS / 1000)
    found.guard.push(its / FLOWS / 1000)
    found.total.push((own + its) / FLOWS / 1000)
  }
  return found
}

/** The page again and again, for a request that asks to be looked at. */
async function measureRender(
  { product, cookie, ask }: Visitor,
  authority: Child<unknown>,
): Promise<number[]> {
  const asked = await get(ask({ prompt: 'consent' }), cookie)
  const page = new URL(asked.location, product.authority.ready.url).href
  const all = `${cookie}; ${cookiesOf(asked.set)}`
  const found: number[] = []
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const before = await authority.cpuMicros()
    await times(RENDERS, CALLERS, async () => {
      const { status, text } = await get(page, all)
      if (status !== 200 || !text.includes('name="scope"')) throw new Error(`${status} ${text}`)
    })
    if (round >= WARM_UP_ROUNDS) found.push(((await authority.cpuMicros()) - before) / RENDERS / 1000)
  }
  return found
}

/** Each renews a token of its own, again and again, beside as many who ask a bare endpoint. */
async function measureRefresh(
  { product, refreshTokens }: Visitor,
  { authority, bare, load }: { authority: Child<unknown>; bare: Child<string>; load: Child<null> },
) {
  const { client, resource } = product
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: basicOf(client) }
  const body = String(new URLSearchParams({ grant_type: 'client_credentials', resource }))
  const target: Target = { url: `${bare.ready}/token`, headers, bodies: [body] }
  const order: Order = { kind: 'closed', target, callers: RENEWERS, calls: REFRESHES }
  const found = { authority: [] as number[], bare: [] as number[], token: [] as number[] }
  let tokens = refreshTokens
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const before = await bare.cpuMicros()
    await load.ask(order)
    const middle = [await bare.cpuMicros(), await authority.cpuMicros()] as const
    const url = `${product.authority.ready.url}/token`
    const renewal: Renewal = { kind: 'renew', target: { url, headers }, tokens, calls: REFRESHES }
    tokens = await load.ask<string[]>(renewal)
    const own = (await authority.cpuMicros()) - middle[1]
    const first = await authority.cpuMicros()
    await load.ask({ ...order, target: { ...target, url } })
    const token = (await authority.cpuMicros()) - first
    if (round < WARM_UP_ROUNDS) continue
    found.token.push(token / REFRESHES)
    found.bare.push((middle[0] - before) / REFRESHES)
    found.authority.push(own / REFRESHES)
  }
  return found
}
