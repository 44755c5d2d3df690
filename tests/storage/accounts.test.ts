import { expect, test } from 'vitest'
import { openAccounts } from '../../packages/server/src/people/index.ts'
import { describeOnBoth } from './databases.ts'

const PERSON = { id: `usr_${'0'.repeat(26)}`, name: 'Maya' }
const OTHER = { id: `usr_${'1'.repeat(26)}`, name: 'Maya' }
const PASSWORD = 'seven blue teapots'

describeOnBoth('accounts', (_open, place) => {
  const accountsAt = (url: string) =>
    openAccounts({
      ...{ url, issuer: 'https://auth.test', passwordCost: 14 },
      secret: 'a secret of the tests, long enough to be one',
      onFault: fault => {
        throw fault
      },
    })
  const cookiesOf = (cookies: string[] | undefined) => cookies?.map(cookie => cookie.split(';')[0]).join('; ')

  test('nodes that start at once share accounts and sessions', async () => {
    const url = await place.newUrl()
    const first = accountsAt(url)
    const second = place.kind === 'postgres' ? accountsAt(url) : first
    const started = await Promise.all([first.signIn(undefined, 'x'), second.signIn(PERSON.id, PASSWORD)])
    expect(started).toEqual([undefined, undefined])
    await first.setPassword(PERSON, PASSWORD)
    await first.setPassword(OTHER, `${PASSWORD} too`)
    const cookies = await second.signIn(PERSON.id, PASSWORD)
    for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Lax'])
      expect(cookies?.every(cookie => cookie.split('; ').includes(attribute))).toBe(true)
    const session = await first.findSession(cookiesOf(cookies))
    expect(session).toMatchObject({ person: PERSON.id, signedInAt: expect.any(Number) })
    expect(await second.signIn(OTHER.id, PASSWORD)).toBeUndefined()
    expect(
      await first.findSession(`${cookiesOf(cookies)}x`.replace('session_token=', 'session_token=x')),
    ).toBeUndefined()
    await second.setPassword(PERSON, `${PASSWORD} again`)
    expect(await first.findSession(cookiesOf(cookies))).toBeUndefined()
    expect(await first.signIn(PERSON.id, PASSWORD)).toBeUndefined()
    const again = cookiesOf(await first.signIn(PERSON.id, `${PASSWORD} again`))
    await first.endSessions(PERSON.id)
    expect(await second.findSession(again)).toBeUndefined()
    await first.close()
    if (second !== first) await second.close()
  })
})
