import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { PASSWORD } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'
import { RESOURCE, type Site, startSite, type TestClient } from './consent-site.ts'

const TRACE = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const traceOf = (n: number) => `00-${String(n).padStart(32, '0')}-${'cd'.repeat(8)}-01`

let site: Site
let agent: TestClient

beforeAll(async () => {
  site = await startSite()
  agent = await site.agent('reporter')
}, 60_000)

afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
})

/** Asks for a token, or for one that nobody gets, with what `traceparent` says. */
async function askToken(traceparent: string | undefined, secret = agent.secret ?? '') {
  const form = { grant_type: 'client_credentials', client_id: agent.id, client_secret: secret }
  const response = await fetch(`${site.url}/token`, {
    method: 'POST',
    headers: traceparent === undefined ? {} : { traceparent },
    body: new URLSearchParams({ ...form, resource: RESOURCE }),
  })
  return response.status
}

const recorded = async (type: string) => (await site.api.audit.changes({ type, limit: 200 })).items

test('a token that is issued or refused is on record with the trace of its own request', async () => {
  const many = Array.from({ length: 40 }, (_, n) => n + 1)
  // At once, so that the records of several share a commit.
  const statuses = await Promise.all(many.map(n => askToken(traceOf(n), n % 8 === 0 ? 'wrong' : undefined)))
  expect(statuses.filter(status => status === 401)).toHaveLength(5)
  await vi.waitFor(async () => {
    expect((await recorded('token.issued')).map(({ trace }) => trace).toSorted()).toEqual(
      many.filter(n => n % 8 !== 0).map(traceOf),
    )
    expect((await recorded('token.refused')).map(({ trace }) => trace).toSorted()).toEqual(
      many.filter(n => n % 8 === 0).map(traceOf),
    )
  }, 10_000)
})

test('a request that says none, or none that is one, has a trace of its own', async () => {
  const before = new Set((await recorded('token.issued')).map(({ id }) => id))
  const none = [
    undefined,
    'x',
    traceOf(0),
    traceOf(1).toUpperCase(),
    `${traceOf(1)}-00`,
    `01${traceOf(1).slice(2)}`,
  ]
  for (const said of none) expect(await askToken(said)).toBe(200)
  const made = (await recorded('token.issued')).filter(({ id }) => !before.has(id))
  expect(made).toHaveLength(none.length)
  expect(new Set(made.map(({ trace }) => trace)).size).toBe(none.length)
  for (const { trace } of made) {
    expect(trace).toMatch(TRACE)
    expect(none).not.toContain(trace)
  }
})

test('of all that was done here by somebody, nothing is on record without a trace', async () => {
  const { email } = await site.person('noor@northwind.test', 'Noor')
  const browser = createBrowser(site.url)
  await browser.submit(await browser.open('/sign-in'), { email, password: PASSWORD })
  const { items } = await site.api.audit.changes({ limit: 200 })
  const types = new Set(items.map(({ type }) => type))
  for (const type of ['person.signed_in', 'token.issued', 'token.refused', 'agent.created'])
    expect(types).toContain(type)
  const without = items.filter(({ trace }) => trace === null)
  expect([...new Set(without.map(({ actor }) => actor))]).toEqual(['system'])
  expect(items.every(({ trace }) => trace === null || TRACE.test(trace))).toBe(true)
})
