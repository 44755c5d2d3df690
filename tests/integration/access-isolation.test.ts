import { expect, test } from 'vitest'
import { createPdp } from '../../packages/server/src/pdp/index.ts'
import { type Foreign, guessEverywhere, HOME, settle } from './isolation.ts'
import { ISSUER, type Product, start } from './product.ts'

const ROUNDS = 500

test('ids of another organization find nothing and permit nothing, in every operation that names something', async () => {
  await using product = await start()
  const { asked } = await guessEverywhere(product, 12)
  expect(asked).toBeGreaterThanOrEqual(ROUNDS)
}, 60_000)

test('500 pairs across organizations in questions asked many at once, and to the PDP: 0 permitted', async () => {
  await using product = await start()
  const foreign = await settle(product)
  const admin = product.client()
  const any = (kind: keyof Foreign) =>
    foreign[kind][Math.floor(Math.random() * foreign[kind].length)] as string
  const checks = Array.from({ length: ROUNDS }, (_, n) => {
    const principal =
      n % 3 === 0 ? 'user:person-home-0' : any((['user', 'agent', 'group'] as const)[n % 3] ?? 'user')
    const resource = n % 3 === 1 ? 'customer/home-0' : any('resource')
    return { principal, permission: 'customer:read', resource }
  })
  const own = { principal: 'user:person-home-0', permission: 'customer:read', resource: 'customer/home-0' }
  const asked = await admin.access.checkMany({ organization: HOME, checks: [own, ...checks] })
  expect(asked.results.map(({ allowed }) => allowed)).toEqual([true, ...checks.map(() => false)])
  const compared = await admin.access.whatIf({
    organization: HOME,
    policy: { version: 1 },
    checks,
    principals: foreign.user.slice(0, 50),
  })
  expect(compared.checks.some(({ before, after }) => before || after)).toBe(false)
  expect(compared.principals.every(({ gained, lost }) => gained.length + lost.length === 0)).toBe(true)

  const ask = askPdp(product)
  const entities = [own, ...checks].map(({ principal, resource }) => ({
    subject: { type: /^user/.test(principal) ? 'user' : 'identity', id: principal.replace(/^\w+:/, '') },
    resource: { type: 'customer', id: resource.replace('customer/', '') },
  }))
  const many = await ask('/evaluations', { action: { name: 'read' }, evaluations: entities })
  expect(many.evaluations.map(({ decision }) => decision)).toEqual([true, ...checks.map(() => false)])
  for (const { subject, resource } of entities.slice(1, 40)) {
    const acting = { subject, resource, action: { name: 'read' }, context: { agent: any('agent') } }
    expect((await ask('/evaluation', acting)).decision).toBe(false)
    const found = await ask('/search/resource', {
      subject,
      action: { name: 'read' },
      resource: { type: 'customer' },
    })
    expect(found.results.filter(({ id }) => id !== 'home-0')).toEqual([])
    const holders = await ask('/search/subject', {
      subject: { type: 'user' },
      action: { name: 'read' },
      resource,
    })
    expect(holders.results.filter(({ id }) => id !== 'person-home-0')).toEqual([])
  }
}, 60_000)

interface Heard {
  decision: boolean
  evaluations: { decision: boolean }[]
  results: { id: string }[]
}

function askPdp(product: Product): (path: string, body: unknown) => Promise<Heard> {
  const pdp = createPdp({
    store: product.store,
    now: product.now,
    issuer: ISSUER,
    authenticate: async () => ({ id: 'tok_test', name: 'test', permissions: ['decision:read'] }),
    readBody: request => request.json(),
    onFault: fault => expect.unreachable(String(fault)),
  })
  return async (path: string, body: unknown) => {
    const url = `${ISSUER}/pdp/${HOME}/access/v1${path}`
    const response = await pdp.app.fetch(new Request(url, { method: 'POST', body: JSON.stringify(body) }))
    return (await response.json()) as Heard
  }
}
