import { EXCHANGE, HANDLE, type Hand, LINK } from '../integration/delegation-stage.ts'
import { read } from './say.ts'
import type { World } from './world.ts'

type Place = Pick<World, 'api' | 'url'> & { billing: Pick<World['billing'], 'resource'> }

/** An agent of a world that proves itself by a secret of its own. */
export async function createHand({ api, url, billing }: Place, name: string): Promise<Hand> {
  const { id } = await api.agents.get({ id: name })
  const { secret } = await api.credentials.create({ agent: name, kind: 'secret', label: 'hand' })
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  const send: Hand['send'] = async (path, form, headers = {}) => {
    const fields = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const init = { method: 'POST', headers: { authorization, ...headers }, body: new URLSearchParams(fields) }
    const { status, body } = await read(await fetch(url + path, init))
    return { status, ...body }
  }
  const exchange = (subject_token: unknown, subject_token_type: string, more = {}) =>
    send('/token', {
      ...{ grant_type: EXCHANGE, subject_token: String(subject_token), subject_token_type },
      ...{ resource: billing.resource, ...more },
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
