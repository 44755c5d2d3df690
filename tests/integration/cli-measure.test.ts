import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

test('how fast revocations are is measured with tokens that nobody has, and is on record as such', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const { valetkey } = terminal
  const { code, out, err } = await valetkey(['measure', 'revocation', '--times', '3', '--json'])
  expect(code, err).toBe(0)
  const [whole, confirmed, ...points] = JSON.parse(out).items
  expect(whole).toMatchObject({ what: 'asked until answered, here', times: 3, p50: expect.any(Number) })
  expect(confirmed).toMatchObject({ times: 3 })
  expect(whole.max).toBeGreaterThanOrEqual(whole.p50)
  expect(points).toEqual([])
  const events = await product.events()
  expect(events.filter(({ type }) => type === 'token.revoked')).toHaveLength(3)
  const human = await valetkey(['measure', 'revocation', '--times', '1'])
  expect(human.out + human.err).toContain('No enforcement point holds this organization')
  expect((await valetkey(['measure', 'revocation', '--times', '0'])).code).toBe(2)
})
