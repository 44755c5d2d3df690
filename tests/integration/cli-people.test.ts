import { expect, test } from 'vitest'
import { addApp } from './authenticator.ts'
import { northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const MAYA = 'maya@northwind.test'

test('a person is invited: the link is printed once, and mailed only where mail leaves', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const invited = await terminal.valetkey(['person', 'invite', MAYA, '--json'])
  expect(JSON.parse(invited.out).item).toMatchObject({
    email: MAYA,
    url: expect.stringMatching(/^https:\/\/auth\.test\/invitation\/vk_inv_/),
  })
  const mailed = await terminal.valetkey(['person', 'invite', MAYA, '--mail'])
  expect(mailed.code).not.toBe(0)
  expect(mailed.err).toContain('sends no mail')
  // Refused, it has taken back nothing.
  expect(await product.store.db.selectFrom('invitation').selectAll().execute()).toHaveLength(1)
})

test('what a person has lost is taken away, and the person is signed out, on record', async () => {
  await using product = await start()
  const { maya } = await northwind(product)
  await using terminal = await openTerminal(product)
  const factor = await addApp(product.store, maya)
  const listed = await terminal.valetkey(['person', 'factors', MAYA, '-o', 'name'])
  expect(listed.out).toBe(`${factor}\n`)
  const drop = ['person', 'drop-factor', MAYA, factor]
  const untold = await terminal.valetkey(drop)
  expect([untold.code, untold.err.includes('Add --yes, or --reason TEXT.')]).toEqual([2, true])
  expect((await terminal.valetkey([...drop, '--reason', 'lost phone'])).code).toBe(0)
  expect((await terminal.valetkey(['person', 'factors', MAYA, '-o', 'name'])).out).toBe('')
  const out = await terminal.valetkey(['person', 'sign-out', MAYA, '--reason', 'lost laptop'])
  expect(out.code).toBe(0)
  const events = await product.events()
  for (const [type, reason] of [
    ['person.factor_removed', 'lost phone'],
    ['person.signed_out_everywhere', 'lost laptop'],
  ])
    expect(events).toContainEqual(
      expect.objectContaining({ type, target: maya.id, detail: expect.objectContaining({ reason }) }),
    )
})
