import { readOffer } from '@valetkey/sdk/guard'
import { expect, test } from 'vitest'
import { createBillingHandler } from './billing.ts'
import offer from './billing-offer.json' with { type: 'json' }

test('what "valetkey dev" pins is what the billing server of the demo offers', async () => {
  const { fetch } = createBillingHandler()
  expect(await readOffer({ url: 'http://127.0.0.1:4611/mcp', send: request => fetch(request) })).toEqual(
    offer,
  )
})
