import { keepWaiting } from '../../packages/server/src/oauth/waiting/waiting-request.ts'
import { hashSecret } from '../../packages/server/src/store/index.ts'
import type { Product } from './product.ts'

/** An agent asks: a person by name or, where none is named, whoever types its code. Gives the id of the request. */
export async function askSomebody(
  { store, now }: Pick<Product, 'store' | 'now'>,
  { agent, person, ...more }: { agent: string; person?: string; message?: string; client?: string },
): Promise<string> {
  const { message, client = agent } = more
  const secret = `secret-${Math.random()}`
  const params = {
    ...{ resource: 'https://billing.test/mcp', scope: 'openid invoices:read', login_hint: person },
    ...(message !== undefined && { binding_message: message }),
  }
  const keep = keepWaiting(store, now, person === undefined ? 'device' : 'backchannel')
  const code = { userCode: `CODE-${secret}`, deviceInfo: { address: '192.0.2.7' } }
  const whose = person === undefined ? code : { accountId: person }
  await keep(secret, { clientId: client, params, ...whose }, 600)
  const { id } = await store.db
    .selectFrom('waitingRequest')
    .select('id')
    .where('secretHash', '=', hashSecret(secret))
    .executeTakeFirstOrThrow()
  return id
}
