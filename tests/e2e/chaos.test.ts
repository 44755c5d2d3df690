import { expect, test } from 'vitest'
import { runCampaign } from '../chaos/campaign.ts'
import { say } from './say.ts'
import { startWorld } from './world.ts'

test('authority, guard and gateway killed under load lose no record of a released call', async () => {
  const { violations, released, kills } = await runCampaign({ seconds: 10, seed: 7 })
  expect(violations).toEqual([])
  expect(released).toBeGreaterThan(0)
  expect(Object.values(kills).filter(count => count > 0)).toHaveLength(3)
})

test('the same campaign finds lost records when fdatasync only claims success: the test above can fail', async () => {
  const { violations, lost } = await runCampaign({ seconds: 6, seed: 7, isHonest: false })
  expect(lost).toBeGreaterThan(0)
  expect(violations.join('\n')).toContain('released without a record')
})

test('restarting the authority under load makes no call stale', async () => {
  await using world = await startWorld()
  const bot = await world.identify('support-bot')
  const token = await bot.token(world.billing.url)
  const params = { name: 'list_invoices', arguments: { customer: 'acme' } }
  let isOver = false
  const answers = { permitted: 0, other: [] as string[] }
  const caller = async () => {
    while (!isOver) {
      const { body, text } = await say(world.billing.url, 'tools/call', params, { token })
      if (body?.result?.isError === undefined && body?.result) answers.permitted++
      else answers.other.push(text)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  const callers = Promise.all(Array.from({ length: 4 }, caller))
  await new Promise(resolve => setTimeout(resolve, 500))
  await world.authority.stop()
  await world.authority.start()
  await new Promise(resolve => setTimeout(resolve, 4_000))
  isOver = true
  await callers
  expect(answers.other).toEqual([])
  expect(answers.permitted).toBeGreaterThan(100)
})
