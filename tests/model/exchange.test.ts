import { anyCovers } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  claimsOf,
  type DelegationStage,
  type Hand,
  startDelegationStage,
} from '../integration/delegation-stage.ts'
import { openService, type Service } from '../integration/forward-stage.ts'

/**
 * Random chains at the authority itself: agents that delegate, take up, exchange, hand on and take back, while time goes by.
 * What the authority gives is held against what each chain rests on; what it refuses, against why it may.
 */
const LEDGER = 'https://ledger.test/mcp'

let stage: DelegationStage
let hands: Hand[]
/** Whom the agents call, which may call another server for them; and that one. */
let [billing, ledger]: Service[] = []
beforeAll(async () => {
  stage = await startDelegationStage()
  await stage.api.servers.create({ name: 'ledger', url: LEDGER })
  for (const permission of ['invoices:read', 'tickets:read'])
    await stage.api.tools.map({ server: 'ledger', kind: 'method', name: `x/${permission}`, permission })
  await stage.api.forwards.allow({ server: 'billing', to: 'ledger' })
  billing = await openService(stage, 'billing')
  ledger = await openService(stage, 'ledger')
  const { a, b, c, d, e, f } = stage
  hands = [a, b, c, d, e, f]
})
afterAll(() => stage[Symbol.asyncDispose]())

const PERMISSIONS = ['invoices:read', 'invoices:refund', 'tickets:read']
const MOST_LINKS = 4
let changedKeys = 0

/** A link that somebody took up. */
interface Made {
  id: string
  from: number
  to: number
  above: Made[]
  scopes: readonly string[]
  /** Null: everywhere. */
  on: string | null
  endsAt: number
  hops: number
  token: string
  /** What a server was given for the next one, when it was shown that token. */
  forwarded: string | undefined
  /** Whether the key by which it was given that was taken back. */
  isKeyGone: boolean
  isRevoked: boolean
}

const agent = fc.nat(5)
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('hand on' as const), to: agent, rest: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), from: agent, to: agent }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('exchange' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('change key' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 90 }) }),
  },
)
const wish = fc.record({
  scope: fc.option(fc.subarray([...PERMISSIONS, 'invoices:*'], { minLength: 1 }), { nil: undefined }),
  on: fc.constantFrom(undefined, undefined, 'customer/acme', 'customer/globex'),
  expires_in: fc.constantFrom(undefined, '30', '120', '600'),
  hops: fc.constantFrom('0', '1', '2', '3'),
})
type Wish = {
  scope?: string[] | undefined
  on?: string | undefined
  expires_in?: string | undefined
  hops: string
}
const runs = fc.array(fc.tuple(command, wish), { minLength: 12, maxLength: 25, size: 'max' })

const covered = (scopes: readonly string[], by: readonly string[]) =>
  PERMISSIONS.filter(one => anyCovers(scopes, one)).every(one => anyCovers(by, one))
const isLive = (link: Made) =>
  [link, ...link.above].every(({ isRevoked, endsAt }) => !isRevoked && endsAt > stage.now())
/** Tokens live for whole seconds: in its last one a link gives nothing any more, and what it gave may still be good. */
const isGiving = (link: Made) =>
  [link, ...link.above].every(({ isRevoked, endsAt }) => !isRevoked && endsAt >= stage.now() + 1000)

/** Lets one agent act for another, on a link or on what it holds itself, and holds what comes of it against that. */
async function handOn(from: number, to: number, parent: Made | undefined, { scope, ...more }: Wish) {
  const [giver, taker] = [hands[from] as Hand, hands[to] as Hand]
  const rest = parent ? { delegation_id: parent.id } : {}
  const offer = await giver.delegate(taker, { ...rest, ...more, scope: scope?.join(' ') })
  const chain = parent ? [...parent.above, parent] : []
  const members = [...chain.map(link => link.from), from]
  const isCircle = members.includes(to)
  if (offer.status !== 200) return undefined
  expect(isCircle, 'a circle').toBe(false)
  expect(chain.length + 1).toBeLessThanOrEqual(MOST_LINKS)
  if (parent) {
    expect(isLive(parent), 'on a link that is over').toBe(true)
    expect(Number(more.hops)).toBeLessThan(parent.hops)
  }
  const got = await taker.redeem(offer['subject_token'])
  if (got.status !== 200) return undefined
  const id = String(offer['delegation_id'])
  const shown = await stage.api.delegations.get({ id })
  const made: Made = {
    ...{ id, from, to, above: chain, hops: Number(more.hops), isRevoked: false, isKeyGone: false },
    scopes: String(offer['scope']).split(' '),
    on: shown.resources.find(one => !one.startsWith('organization/')) ?? null,
    endsAt: Date.parse(String(offer['delegation_expires_at'])),
    token: String(got['access_token']),
    forwarded: undefined,
  }
  for (const above of chain) {
    expect(covered(made.scopes, above.scopes), 'scopes are wider').toBe(true)
    expect(made.endsAt, 'it lasts longer').toBeLessThanOrEqual(above.endsAt)
    if (above.on !== null) expect(made.on, 'it reaches elsewhere').toBe(above.on)
  }
  holdToken(made, got)
  await forward(made, got)
  return made
}

/** No token says more than each link of its chain, lasts longer, or leaves one of its actors out. */
function holdToken(link: Made, answer: Parameters<typeof claimsOf>[0]): void {
  const claims = claimsOf(answer)
  const chain = [...link.above, link]
  expect(claims.dlg).toEqual(chain.map(({ id }) => id))
  for (const one of chain) {
    expect(covered(claims.scope.split(' '), one.scopes)).toBe(true)
    expect((claims.exp ?? 0) * 1000).toBeLessThanOrEqual(one.endsAt)
  }
  const actors: string[] = []
  for (let at = claims.act as { sub: string; act?: object } | undefined; at; at = at.act as typeof at)
    actors.unshift(at.sub)
  const agents = [chain[0]?.from ?? 0, ...chain.map(({ to }) => to)].map(n => hands[n]?.id)
  // Without a person the first agent is the subject.
  expect([claims.sub, ...actors]).toEqual(agents)
}

/** A server that is shown the token calls the next one with no more, for no longer, and no deeper than a chain may be. */
async function forward(link: Made, answer: Parameters<typeof claimsOf>[0]): Promise<void> {
  const before = claimsOf(answer)
  const isShort = link.above.length + 2 <= MOST_LINKS
  const wasGiving = isGiving(link)
  const next = await billing?.forward(answer['access_token'], { resource: LEDGER })
  if (wasGiving !== isGiving(link)) return
  const shared = before.scope.split(' ').filter(one => one !== 'invoices:refund')
  expect(next?.status, JSON.stringify([next, link])).toBe(
    wasGiving && isShort && shared.length > 0 ? 200 : 400,
  )
  if (next?.status !== 200) return
  const claims = claimsOf(next)
  expect(claims.scope.split(' ').sort()).toEqual(shared.sort())
  expect(claims.exp).toBeLessThanOrEqual(before.exp ?? 0)
  expect([claims.sub, claims.agent, claims.dlg]).toEqual([before.sub, before.agent, before.dlg])
  if (link.forwarded !== undefined && !link.isKeyGone) return
  link.forwarded = String(next['access_token'])
  link.isKeyGone = false
}

test('whatever is asked for, no exchange gives more than its chain, and exactly the live chains give something', async () => {
  const counts = { links: 0, deepest: 0, live: 0, over: 0, forwarded: 0 }
  await fc.assert(
    fc.asyncProperty(runs, async run => {
      const made: Made[] = []
      const pick = (n: number) => (made.length === 0 ? undefined : made[n % made.length])
      for (const [what, how] of run) {
        if (what.kind === 'wait') stage.passTime(what.seconds * 1000)
        else if (what.kind === 'begin') {
          const link = await handOn(what.from, what.to, undefined, how)
          if (link) made.push(link)
        } else if (what.kind === 'hand on') {
          const parent = pick(what.rest)
          const link = parent && (await handOn(parent.to, what.to, parent, how))
          if (link) made.push(link)
        } else if (what.kind === 'revoke') {
          const link = pick(what.which)
          if (link) await stage.api.delegations.revoke({ id: link.id })
          if (link) link.isRevoked = true
        } else if (what.kind === 'change key') {
          await changeKey()
          for (const link of made) link.isKeyGone = link.forwarded !== undefined
        } else await exchange(pick(what.which))
      }
      for (const link of made) {
        await exchange(link)
        counts[isLive(link) ? 'live' : 'over']++
        if (link.forwarded) counts.forwarded++
        counts.deepest = Math.max(counts.deepest, link.above.length + 1)
      }
      counts.links += made.length
    }),
    { numRuns: 25, endOnFailure: true },
  )
  expect(counts.deepest).toBeGreaterThan(1)
  expect(changedKeys).toBeGreaterThan(5)
  expect(Math.min(counts.live, counts.over, counts.forwarded), JSON.stringify(counts)).toBeGreaterThan(5)
})

test('in its last second a link gives nothing any more', async () => {
  const link = await handOn(0, 1, undefined, { hops: '1', expires_in: '30' })
  await exchange(link)
  stage.passTime((link?.endsAt ?? 0) - stage.now() - 900)
  expect((await hands[1]?.exchange(link?.id))?.status).toBe(400)
})

/** A link gives a token exactly while all of its chain lives, and what it gave before is good for exactly as long. */
async function exchange(link: Made | undefined): Promise<void> {
  if (!link) return
  const taker = hands[link.to] as Hand
  const before = stage.now()
  const [wasLive, wasGiving] = [isLive(link), isGiving(link)]
  const answer = await taker.exchange(link.id)
  const isGood = await taker.isActive(link.token)
  const isNextGood = link.forwarded !== undefined && (await ledger?.isActive(link.forwarded)) === true
  // The clock may have passed an end in between.
  if (wasGiving !== isGiving(link)) return
  expect(answer.status === 200, JSON.stringify([answer, link, before])).toBe(wasGiving)
  if (!wasLive) expect([isGood, isNextGood]).toEqual([false, false])
  if (link.isKeyGone) expect(isNextGood, 'by a key that was taken back').toBe(false)
  else if (isGood && link.forwarded !== undefined && before < expiryOf(link.forwarded))
    expect(isNextGood).toBe(true)
  if (answer.status === 200) holdToken(link, answer)
  if (answer.status === 200) await forward(link, answer)
}

/** The server that is called goes on with another key; what it was given by the one before is over. */
async function changeKey(): Promise<void> {
  const { items } = await stage.api.serverKeys.list({ server: 'billing', limit: 200 })
  const next = await openService(stage, 'billing')
  for (const { id, status } of items)
    if (status === 'live') await stage.api.serverKeys.revoke({ server: 'billing', id })
  billing = next
  changedKeys++
}

/** A second before it ends, so that the clock may go on meanwhile. */
function expiryOf(token: string): number {
  return ((decodeJwt(token).exp ?? 0) - 1) * 1000
}
