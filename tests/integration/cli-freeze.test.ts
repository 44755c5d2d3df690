import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

/** Commands that stop something for a while, and let it go on. */
async function open() {
  const product = await start()
  await northwind(product)
  const terminal = await openTerminal(product)
  return {
    reason: async () => (await check(product)).reason,
    events: () => product.events(),
    valetkey: (...args: string[]) => terminal.valetkey(args),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

function check(product: Awaited<ReturnType<typeof start>>) {
  const call = { server: 'billing', name: 'get_invoice', arguments: { id: '7' } }
  return product.client().decisions.check({ agent: 'support-bot', ...call })
}

test.each([
  ['agent', 'support-bot', 'suspended'],
  ['tool', 'billing/get_invoice', 'frozen'],
  ['server', 'billing', 'frozen'],
  ['organization', 'northwind', 'frozen'],
])('%s %s is %s, and thawed by whoever says why', async (noun, name, reason) => {
  await using at = await open()
  expect(await at.valetkey('freeze', noun, name)).toMatchObject({ code: 0 })
  expect(await at.reason()).toBe(reason)
  expect(await at.valetkey('thaw', noun, name, '--dry-run')).toMatchObject({ code: 0 })
  const mute = await at.valetkey('thaw', noun, name)
  expect([mute.code, mute.err]).toEqual([2, expect.stringContaining('Add --reason TEXT.')])
  expect(await at.reason()).toBe(reason)
  expect(await at.valetkey('thaw', noun, name, '--reason', 'it was the export')).toMatchObject({ code: 0 })
  expect(await at.reason()).toBe('permitted')
  expect((await at.events()).map(({ detail }) => detail['reason'])).toContain('it was the export')
})

test('everything is frozen by one word, and thawed by whoever says why', async () => {
  await using at = await open()
  expect(await at.valetkey('freeze', '--all')).toMatchObject({ code: 0 })
  expect(await at.reason()).toBe('frozen')
  expect((await at.valetkey('thaw', '--all')).err).toContain('Add --reason TEXT.')
  expect(await at.valetkey('thaw', '--all', '--reason', 'all clear')).toMatchObject({ code: 0 })
  expect(await at.reason()).toBe('permitted')
})
