import { expect, test } from 'vitest'
import { guessEverywhere } from '../integration/isolation.ts'
import { start } from '../integration/product.ts'

test('500 ids of another organization in each place of the API where something is named: nothing found, nothing permitted', async () => {
  await using product = await start()
  const { asked, refused, denied, empty } = await guessEverywhere(product, 500)
  expect(asked).toBe(refused + denied + empty)
}, 300_000)
