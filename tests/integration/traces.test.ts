import { api, type ClientOptions, createClient, type Route } from '@valetkey/sdk/contract'
import { afterAll, expect, test } from 'vitest'
import { ISSUER, northwind, type Product, start } from './product.ts'
import { WRITES } from './writes.ts'

const WRITING = Object.entries(api).flatMap(([group, operations]) =>
  Object.entries<Route>(operations)
    .filter(([, { method }]) => method !== 'GET')
    .map(([name]) => `${group}.${name}`),
)

test.each(WRITING)('%s leaves what it must: facts in the change log, an event in the record', async name => {
  const write = WRITES[name]
  expect(write, `add ${name} to WRITES`).toBeDefined()
  if (!write || name === 'session.bootstrap') return
  const [trace, run] = write
  await using product = await start()
  const world = await northwind(product)
  const before = await countTraces(product)
  await run(createClient(api, because(product)), world, product)
  const after = await countTraces(product)
  expect(after.log > before.log, 'change log').toBe(trace === 'facts')
  expect(after.events > before.events, 'events').toBe(trace !== 'nothing')
  expect(after.revisions > before.revisions, 'revisions').toBe(trace === 'facts')
  if (routeOf(name).method === 'DELETE')
    expect((await product.events()).map(({ detail }) => detail['reason'])).toContain(REASON)
})

const REASON = 'nobody needs it'

/** Says why, whatever is taken away. */
function because(product: Product): ClientOptions {
  const fetch = (request: Request) => {
    if (request.method !== 'DELETE') return product.send(request)
    const url = new URL(request.url)
    url.searchParams.set('reason', REASON)
    return product.send(new Request(url, request))
  }
  return { baseUrl: ISSUER, token: () => product.adminToken, fetch }
}

const REPEATED = WRITING.filter(name => routeOf(name).idempotent)

test.each(REPEATED)('%s asked twice under one key makes one thing, and says the same of it', async name => {
  await using product = await start()
  const world = await northwind(product)
  let pairs = 0
  const twice = async (request: Request) => {
    if (!request.headers.has('idempotency-key')) return product.send(request)
    const again = request.clone()
    const first = await product.send(request)
    const second = await product.send(again)
    expect([second.status, await second.text()]).toEqual([200, await first.clone().text()])
    pairs++
    return first
  }
  const client = createClient(api, { baseUrl: ISSUER, token: () => product.adminToken, fetch: twice })
  await WRITES[name]?.[1](client, world, product)
  expect(pairs).toBeGreaterThan(0)
})

// Nothing changes, so that all of them can ask the same product.
const asked = start().then(async product => {
  await northwind(product)
  return product
})
afterAll(async () => (await asked)[Symbol.asyncDispose]())

test.each(WRITING)('%s changes nothing when it is refused', async name => {
  const product = await asked
  const before = await countTraces(product)
  const route = routeOf(name)
  const path = route.path.replace(/:\w+/g, 'nobody')
  const answer = await product.request(route.method, path, { unknown: 1 })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.status).toBeLessThan(500)
  expect(await countTraces(product)).toEqual(before)
})

test('no secret is in an event, a fact or a log', async () => {
  await using product = await start()
  const { credential } = await northwind(product)
  const admin = product.client()
  const { key } = await admin.serverKeys.create({ server: 'billing' })
  await admin.servers.setUpstreamCredential({ id: 'billing', value: 'Bearer upstream-s3cret' })
  const { token } = await admin.apiTokens.create({ name: 'ci', permissions: ['agent:read'] })
  const facts = await product.store.db.selectFrom('changeLog').select('value').execute()
  const text = JSON.stringify([facts, await product.events()])
  for (const secret of [
    credential.secret,
    key,
    token,
    product.adminToken,
    product.bootstrapCode,
    'upstream-s3cret',
  ])
    expect(text).not.toContain(secret)
})

function routeOf(name: string): Route {
  const [group = '', operation = ''] = name.split('.')
  const routes = api as unknown as Record<string, Record<string, Route>>
  const route = routes[group]?.[operation]
  if (!route) throw new Error(`no route ${name}`)
  return route
}

async function countTraces(product: Product) {
  const { db } = product.store
  const [log, revisions] = [
    await db
      .selectFrom('changeLog')
      .select(eb => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
    await db
      .selectFrom('organization')
      .select(eb => eb.fn.sum<number>('revision').as('sum'))
      .executeTakeFirstOrThrow(),
  ]
  return { log: log.count, revisions: revisions.sum, events: (await product.events()).length }
}
