import { decodeJwt } from 'jose'
import { type Answered, type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const HANDLE = 'urn:valetkey:params:oauth:token-type:delegation-handle'
export const LINK = 'urn:valetkey:params:oauth:token-type:delegation'

/** An agent that proves itself by a secret. */
export interface Hand {
  id: string
  name: string
  /** Sends a form as this agent. */
  send(
    path: string,
    form: Record<string, string | undefined>,
    headers?: Record<string, string>,
  ): Promise<Answered>
  /** Lets another one act; what it answers. */
  delegate(to: Hand | string, more?: Record<string, string | undefined>): Promise<Answered>
  redeem(handle: unknown, more?: Record<string, string | undefined>): Promise<Answered>
  /** A token by a delegation that was taken up. */
  exchange(link: unknown, more?: Record<string, string | undefined>): Promise<Answered>
  /** Whether a token of this agent's is good now. */
  isActive(token: unknown): Promise<boolean>
}

/** Northwind with agents that may all delegate to one another, and Maya's grant to the first. */
export async function startDelegationStage(settings?: Parameters<typeof startStage>[0]) {
  const stage = await startStage(settings)
  const { api } = stage
  await api.resourceTypes.create({ slug: 'customer' })
  for (const id of ['acme', 'globex']) await api.resources.put({ type: 'customer', id })
  const hire = async (name: string): Promise<Hand> => handOf(stage, await hired(stage, name))
  const [a, b, c, d, e, f] = [
    await hire('alpha'),
    await hire('bravo'),
    await hire('charlie'),
    await hire('delta'),
    await hire('echo'),
    await hire('foxtrot'),
  ]
  const rule = await api.delegationRules.put({ from: 'organization', to: 'organization' })
  const grant = await api.grants.create({
    agent: 'alpha',
    person: 'maya@northwind.test',
    scopes: ['invoices:read', 'tickets:read'],
  })
  return Object.assign(stage, { a, b, c, d, e, f, rule, grant })
}

export type DelegationStage = Awaited<ReturnType<typeof startDelegationStage>>

async function hired({ api }: OauthStage, name: string) {
  const agent = await api.agents.create({
    ...{ name, owner: 'maya@northwind.test', kind: 'both' as const },
    ceiling: ['invoices:*', 'tickets:*'],
  })
  await api.assignments.create({ principal: `agent:${name}`, role: 'clerk' })
  const { secret } = await api.credentials.create({ agent: name, kind: 'secret' })
  return { id: agent.id, name, secret: secret ?? '' }
}

function handOf(stage: OauthStage, { id, name, secret }: { id: string; name: string; secret: string }): Hand {
  const headers = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
  const send: Hand['send'] = (path, form, more = {}) => stage.send(path, form, { ...headers, ...more })
  const exchange = (subject_token: unknown, subject_token_type: string, more = {}) =>
    send('/token', {
      ...{ grant_type: EXCHANGE, subject_token: String(subject_token), subject_token_type },
      ...{ resource: RESOURCE, ...more },
    })
  return {
    ...{ id, name, send },
    delegate: (to, more) =>
      send('/delegations', { delegate: typeof to === 'string' ? to : to.name, ...more }),
    redeem: (handle, more) => exchange(handle, HANDLE, more),
    exchange: (link, more) => exchange(link, LINK, more),
    async isActive(token) {
      const { active } = await send('/token/introspection', { token: String(token) })
      return active === true
    },
  }
}

/** What a token says. */
export function claimsOf(answer: Answered) {
  return decodeJwt<{
    scope: string
    agent: string
    gid?: string
    dlg?: string[]
    act?: object
    rev?: number
  }>(String(answer['access_token']))
}

/** Passes on from one to the next, each by the delegation of the one before; the last one's answer. */
export async function chainOf(hands: readonly Hand[], first: Record<string, string | undefined> = {}) {
  const links: string[] = []
  let answer: Answered = { status: 0 }
  for (const [n, from] of hands.slice(0, -1).entries()) {
    const to = hands[n + 1] as Hand
    const rest = n === 0 ? first : { delegation_id: links.at(-1) }
    const offer = await from.delegate(to, { hops: String(hands.length - 2 - n), ...rest })
    answer = offer.status === 200 ? await to.redeem(offer['subject_token']) : offer
    if (answer.status !== 200) throw new Error(JSON.stringify(answer))
    links.push(String(offer['delegation_id']))
  }
  return { links, answer }
}
