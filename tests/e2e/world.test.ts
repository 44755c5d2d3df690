import { expect, test } from 'vitest'
import { say } from './say.ts'
import { startWorld } from './world.ts'

test('a world stands within two seconds and decides calls', async () => {
  const from = performance.now()
  await using world = await startWorld()
  expect(performance.now() - from).toBeLessThan(5_000)
  const bot = await world.identify('support-bot')
  const token = await bot.token(world.billing.url)
  const { status, body } = await say(world.billing.url, 'tools/list', {}, { token })
  expect(status).toBe(200)
  expect(body.result.tools.map((tool: { name: string }) => tool.name)).toEqual([
    'list_invoices',
    'get_invoice',
  ])
})
