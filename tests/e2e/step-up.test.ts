import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectForPeople, Keeper } from './clients/for-people.ts'
import { freeRedirect, invited, type Person } from './person.ts'
import { startWorld, type World } from './world.ts'

/** A client that a person lets do a little, and that comes back for more when a call needs it. */

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 10 } }

let world: World
let maya: Person

beforeAll(async () => {
  world = await startWorld()
  await world.api.assignments.create({ principal: 'user:maya@northwind.test', role: 'billing-analyst' })
  maya = await invited(world, 'maya@northwind.test')
}, 120_000)
afterAll(() => world?.[Symbol.asyncDispose]())

/** A client whose person ticks what a list says, page by page; and what the pages said. */
async function start(version: 'v1' | 'v2', answers: string[][], keeper: Keeper) {
  const pages: string[] = []
  const decide = async (url: URL) => {
    const page = await maya.look(url)
    pages.push(page.text)
    const scope = answers[pages.length - 1] ?? []
    const { leaves } = await maya.answer(page, scope.length > 0 ? { scope } : { action: 'deny' })
    if (!leaves) throw new Error(`no way back: ${page.status}`)
    return leaves
  }
  const client = await connectForPeople(version, { url: world.billing.url, keeper, decide })
  return { client, pages, scopes: () => decodeJwt(keeper.held?.access_token ?? '')['scope'] }
}

describe.each(['v1', 'v2'] as const)('SDK %s', version => {
  test('is led to consent for the difference only, and then holds old and new', async () => {
    const keeper = new Keeper(await freeRedirect())
    const { client, pages, scopes } = await start(version, [['invoices:read'], ['invoices:refund']], keeper)
    expect(await client.call(ACME)).toMatchObject({ isError: false })
    expect(scopes()).toBe('invoices:read')
    expect(pages).toHaveLength(1)

    expect(await client.call(REFUND)).toMatchObject({ isError: false })
    expect(pages).toHaveLength(2)
    expect(pages[1]).toContain('value="invoices:refund"')
    expect(pages[1]).not.toContain('value="invoices:read"')
    expect(scopes()).toBe('invoices:read invoices:refund')
    expect(keeper.url?.searchParams.get('scope')?.split(' ')).toEqual(
      expect.arrayContaining(['invoices:read', 'invoices:refund']),
    )
    expect(await client.call(ACME)).toMatchObject({ isError: false })
    expect(pages).toHaveLength(2)
    await client.close()
  })

  test('goes on with what it has where the person says no', async () => {
    const keeper = new Keeper(await freeRedirect())
    const { client, pages, scopes } = await start(version, [['invoices:read'], []], keeper)
    await expect(client.call(REFUND)).rejects.toThrow()
    expect(pages).toHaveLength(2)
    expect(scopes()).toBe('invoices:read')
    await client.close().catch(() => undefined)
  })
})
