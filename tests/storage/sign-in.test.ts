import { randomBytes } from 'node:crypto'
import { base32 } from '@better-auth/utils/base32'
import { newId } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { seed } from '../../packages/server/src/oauth/testing/world.ts'
import { findPerson } from '../../packages/server/src/people/account/person.ts'
import { createFactorSetup } from '../../packages/server/src/people/factor/factor-setup.ts'
import { createRecoveryCodes } from '../../packages/server/src/people/factor/recovery-codes.ts'
import { newTotpSecret, takeTotp } from '../../packages/server/src/people/factor/totp.ts'
import {
  createSignInLimit,
  networkOf,
  type Try,
} from '../../packages/server/src/people/sign-in/sign-in-limit.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { codeOf } from '../integration/authenticator.ts'
import { describeOnBoth, type OpenTestStore, type Place } from './databases.ts'

const NOW = Date.parse('2027-01-01T00:00:00Z')
const SECRET = 'a secret of the tests'

/** Two nodes of one database; on SQLite the one node twice. */
async function openNodes(open: OpenTestStore, place: Place): Promise<[Store, Store]> {
  const url = await place.newUrl()
  const first = await open(url)
  return [first, place.kind === 'postgres' ? await open(url) : first]
}

describeOnBoth('signing in', (open, place) => {
  test('tries are counted on all nodes together, exactly', async () => {
    const clock = { now: NOW }
    const limits = (await openNodes(open, place)).map(store =>
      createSignInLimit(store, SECRET, () => clock.now),
    )
    const tries: Try[] = [
      ['accountHere', 'maya'],
      ['network', '192.0.2.1'],
      ['account', 'maya'],
    ]
    const takes = await Promise.all(Array.from({ length: 40 }, (_, n) => limits[n % 2]?.take(tries)))
    expect(takes.filter(taken => taken)).toHaveLength(5)
    // Whoever is over the limit in one place does not use up what is allowed everywhere.
    const elsewhere: Try[] = [
      ['accountHere', 'maya from afar'],
      ['account', 'maya'],
    ]
    expect(await limits[1]?.take(elsewhere)).toBe(true)
    await limits[0]?.forgive(tries)
    expect(await limits[1]?.take(tries)).toBe(true)
    clock.now += 16 * 60_000
    for (let n = 0; n < 5; n++) expect(await limits[0]?.take([['accountHere', 'jon']])).toBe(true)
    expect(await limits[1]?.take([['accountHere', 'jon']])).toBe(false)
    clock.now += 15 * 60_000
    expect(await limits[1]?.take([['accountHere', 'jon']])).toBe(true)
  })

  test('however many names are tried, what is kept has an end', async () => {
    const [store] = await openNodes(open, place)
    const limit = createSignInLimit(store, SECRET, () => NOW)
    for (let n = 0; n < 50; n++) await limit.take([['account', randomBytes(8).toString('hex')]])
    const rows = await store.db.selectFrom('attempt').selectAll().execute()
    expect(rows.length).toBeLessThanOrEqual(50)
    for (const { bucket } of rows) expect(bucket).toMatch(/^account:\d{1,5}$/)
  })

  test('codes, recovery codes and factors are each taken once, whatever comes at once', async () => {
    const [first, second] = await openNodes(open, place)
    const { owner } = await seed(first)
    const person = await findPerson(first.db, owner)
    if (!person) throw new Error('nobody')
    const secret = newTotpSecret()
    const setups = [first, second].map(store =>
      createFactorSetup({
        store,
        passkeys: undefined,
        recoveryCodes: createRecoveryCodes(store, SECRET),
        now: () => NOW,
      }),
    )
    const offer = { secret, sealed: '', address: '' }
    const code = await codeOf(secret, NOW)
    const set = await Promise.all(setups.map(setup => setup.addApp(person, offer, code)))
    expect(set.map(done => (typeof done === 'string' ? done : 'set')).sort()).toEqual(['exists', 'set'])
    const { codes = [] } = set.find(done => typeof done !== 'string') ?? {}
    expect(base32.decode(secret)).toHaveLength(20)
    // The code that set it up is used up with it.
    expect(await takeTotp(second, owner, code, NOW)).toBe(false)
    const next = await codeOf(secret, NOW, 1)
    const taken = await Promise.all(
      [first, second, first, second].map(store => takeTotp(store, owner, next, NOW)),
    )
    expect(taken.filter(is => is)).toHaveLength(1)
    const recovered = await Promise.all(
      [first, second, first].map(store =>
        createRecoveryCodes(store, SECRET).take(person, codes[0] ?? '', NOW),
      ),
    )
    expect(recovered.filter(is => is)).toHaveLength(1)
    expect(await createRecoveryCodes(second, 'another secret').take(person, codes[1] ?? '', NOW)).toBe(false)
    const other = { ...person, id: newId('person') }
    expect(await createRecoveryCodes(second, SECRET).take(other, codes[1] ?? '', NOW)).toBe(false)
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['unknown', 'unknown'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
