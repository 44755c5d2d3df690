import { startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { basicOf, type Product, startProduct } from './product.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 27
const CALLERS = 16
const CALLS = 400
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const LINK = 'urn:valetkey:params:oauth:token-type:delegation'
const HANDLE = 'urn:valetkey:params:oauth:token-type:delegation-handle'

interface Hand {
  id: string
  secret: string
  name: string
}

/** What an exchanged token costs the authority, beside one that an agent gets for itself; at the first hop and at the third. */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const load = await startChild('load')
  try {
    const targets = await targetsOf(product)
    const micros = { own: [] as number[], first: [] as number[], third: [] as number[] }
    const kinds = Object.entries(targets) as [keyof typeof micros, Target][]
    for (let round = 0; round <= ROUNDS; round++) {
      // The authority signs its logs once a second: no kind of call may always meet that.
      kinds.push(...kinds.splice(0, 1))
      for (const [name, target] of kinds) {
        const order: Order = { kind: 'closed', target, callers: CALLERS, calls: CALLS }
        const before = await product.authority.cpuMicros()
        await load.ask(order)
        // The first round warms up.
        if (round > 0) micros[name].push(((await product.authority.cpuMicros()) - before) / CALLS)
      }
    }
    const ratio = (of: number[], to: number[]) => median(of) / median(to)
    return {
      figures: {
        cpu_ratio: ratio(micros.first, micros.own),
        third_to_first: ratio(micros.third, micros.first),
      },
      stages: {
        client_credentials_us: median(micros.own),
        first_hop_us: median(micros.first),
        third_hop_us: median(micros.third),
        includes: 'the record that the token was issued, durable',
      },
    }
  } finally {
    await Promise.all([load.stop(), upstream.stop()])
    await product.close()
  }
}

/** A chain of three delegations: bot lets one act, which lets another, and that one a third. */
async function targetsOf(product: Product): Promise<Record<'own' | 'first' | 'third', Target>> {
  const { api, client, resource } = product
  await api.delegationRules.put({ from: 'organization', to: 'organization' })
  const hands: Hand[] = [{ ...client, name: 'bot' }]
  for (const name of ['first', 'second', 'third']) hands.push(await hire(product, name))
  const links: string[] = []
  for (const [n, from] of hands.slice(0, -1).entries()) {
    const to = hands[n + 1] as Hand
    const rest = n === 0 ? {} : { delegation_id: links[n - 1] ?? '' }
    const more = { delegate: to.name, hops: String(hands.length - 2 - n), expires_in: '3600', ...rest }
    const offer = await ask(product, '/delegations', from, more)
    await ask(product, '/token', to, {
      ...{ grant_type: EXCHANGE, resource, subject_token_type: HANDLE },
      subject_token: offer['subject_token'] ?? '',
    })
    links.push(offer['delegation_id'] ?? '')
  }
  const target = (hand: Hand | undefined, form: Record<string, string>): Target => ({
    url: `${product.authority.ready.url}/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basicOf(hand ?? client) },
    bodies: [String(new URLSearchParams({ resource, ...form }))],
  })
  const exchange = (link: string | undefined) => ({
    ...{ grant_type: EXCHANGE, subject_token: link ?? '', subject_token_type: LINK },
  })
  return {
    own: target(hands[0], { grant_type: 'client_credentials' }),
    first: target(hands[1], exchange(links[0])),
    third: target(hands[3], exchange(links[2])),
  }
}

async function hire({ api }: Product, name: string): Promise<Hand> {
  await api.agents.create({ name, owner: 'ada@bench.test', ceiling: ['invoices:*'] })
  await api.assignments.create({ principal: `agent:${name}`, role: 'reading' })
  const { clientId, secret } = await api.credentials.create({ agent: name, kind: 'secret', label: 'bench' })
  return { id: clientId, secret: secret ?? '', name }
}

async function ask(
  { authority }: Product,
  path: string,
  hand: Hand,
  form: Record<string, string>,
): Promise<Record<string, string>> {
  const response = await fetch(authority.ready.url + path, {
    method: 'POST',
    headers: { authorization: basicOf(hand) },
    body: new URLSearchParams(form),
  })
  const answer = (await response.json()) as Record<string, string>
  if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
  return answer
}
