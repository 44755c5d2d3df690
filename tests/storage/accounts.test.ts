import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openAccountDatabase } from '../../packages/server/src/people/account/database.ts'
import { openAccounts } from '../../packages/server/src/people/index.ts'
import { describeOnBoth } from './databases.ts'

const PERSON = { id: `usr_${'0'.repeat(26)}`, name: 'Maya', epoch: 3 }
const OTHER = { id: `usr_${'1'.repeat(26)}`, name: 'Maya', epoch: 0 }
const BROWSER = { address: '192.0.2.1', userAgent: 'Firefox' }
const from = () => ({ ...BROWSER, signedInAt: Date.now(), provedAt: Date.now() })
const PASSWORD = 'seven blue teapots'

describeOnBoth('accounts', (_open, place) => {
  const accountsAt = (url: string, passwordCost = 14) =>
    openAccounts({
      ...{ url, issuer: 'https://auth.test', passwordCost, now: Date.now },
      secret: 'a secret of the tests, long enough to be one',
      onFault: fault => {
        throw fault
      },
    })
  const cookiesOf = ({ cookies }: { cookies: string[] }) =>
    cookies.map(cookie => cookie.split(';')[0]).join('; ')

  test('nodes that start at once share accounts and sessions', async () => {
    const url = await place.newUrl()
    const first = accountsAt(url)
    const second = place.kind === 'postgres' ? accountsAt(url) : first
    const started = [first.checkPassword(undefined, 'x'), second.checkPassword(PERSON.id, PASSWORD)]
    expect(await Promise.all(started)).toEqual([false, false])
    await first.setPassword(PERSON, PASSWORD)
    await first.setPassword(OTHER, `${PASSWORD} too`)
    expect(await second.checkPassword(PERSON.id, PASSWORD)).toBe(true)
    expect(await second.checkPassword(OTHER.id, PASSWORD)).toBe(false)
    const strong = { methods: ['password', 'totp'], secondFactor: true } as const
    const opened = await second.openSession(PERSON, strong, 30, from())
    for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Lax'])
      expect(opened.cookies.every(cookie => cookie.split('; ').includes(attribute))).toBe(true)
    expect(await first.findSession(cookiesOf(opened))).toMatchObject({
      ...{ person: PERSON.id, epoch: 3, ...strong },
      signedInAt: expect.any(Number),
    })
    expect(
      await first.findSession(cookiesOf(opened).replace('session_token=', 'session_token=x')),
    ).toBeUndefined()
    const [, token = '', mark = ''] = /session_token=([^.]+)\.([^;]+)/.exec(cookiesOf(opened)) ?? []
    for (const forged of [
      '',
      token,
      `${token}.`,
      `${token}.${mark.slice(0, -4)}`,
      `${token}.${encodeURIComponent(`${'A'.repeat(43)}=`)}`,
      `${token}x.${mark}`,
      `${token}.x.${mark}`,
      `%E0%A4%A.${mark}`,
      `.${mark}`,
    ])
      expect(await first.findSession(`__Secure-valetkey.session_token=${forged}`), forged).toBeUndefined()
    expect(await first.findSession(`valetkey.session_token=${token}.${mark}`)).toBeUndefined()
    await second.setPassword(PERSON, `${PASSWORD} again`)
    expect(await first.findSession(cookiesOf(opened))).toBeUndefined()
    expect(await first.checkPassword(PERSON.id, PASSWORD)).toBe(false)
    const weak = { methods: ['link'], secondFactor: false } as const
    const again = cookiesOf(await first.openSession(PERSON, weak, 30, from()))
    expect(await second.findSession(again)).toMatchObject(weak)
    const [own] = await first.listSessions(PERSON.id)
    expect(own).toMatchObject({ ...BROWSER, ...weak, epoch: 3 })
    expect(await second.endSession(OTHER.id, own?.id ?? '')).toBe(false)
    expect(await second.endSession(PERSON.id, own?.id ?? '')).toBe(true)
    expect(await first.findSession(again)).toBeUndefined()
    await first.openSession(PERSON, weak, 30, from())
    await first.openSession({ ...PERSON, epoch: 4 }, weak, 30, from())
    expect(await first.listSessions(PERSON.id)).toMatchObject([{ epoch: 4 }])
    const over = cookiesOf(await first.openSession(PERSON, weak, 0, from()))
    expect(await second.findSession(over)).toBeUndefined()
    await first.close()
    if (second !== first) await second.close()
  })

  test('sessions whose time is over are forgotten when their person signs in again', async () => {
    if (place.kind === 'memory') return
    const url = await place.newUrl()
    const accounts = accountsAt(url)
    const { database, close } = await openAccountDatabase(url)
    const weak = { methods: ['link'], secondFactor: false } as const
    for (const minutes of [0, 0, 30]) await accounts.openSession(PERSON, weak, minutes, from())
    const { rows } = await sql`select "id" from "people_session"`.execute(database)
    expect(rows).toHaveLength(1)
    await close()
    await accounts.close()
  })

  test('a password that is set while the old one is hashed anew is the one that counts', async () => {
    if (place.kind === 'memory') return
    const url = await place.newUrl()
    const before = accountsAt(url, 10)
    await before.setPassword(PERSON, PASSWORD)
    await before.close()
    const accounts = accountsAt(url, 14)
    const setting = accounts.setPassword(PERSON, 'nine green kettles')
    expect(await accounts.checkPassword(PERSON.id, PASSWORD)).toBe(true)
    await setting
    expect(await accounts.checkPassword(PERSON.id, PASSWORD)).toBe(false)
    expect(await accounts.checkPassword(PERSON.id, 'nine green kettles')).toBe(true)
    await accounts.close()
  })

  test('a password that was hashed at another cost is good, and is hashed anew', async () => {
    if (place.kind === 'memory') return
    const url = await place.newUrl()
    const before = accountsAt(url)
    await before.setPassword(PERSON, PASSWORD)
    await before.close()
    const after = accountsAt(url, 15)
    for (const is of [false, true, true])
      expect(await after.checkPassword(PERSON.id, is ? PASSWORD : 'another one')).toBe(is)
    await after.close()
    // What stands there now is checked by either.
    const again = accountsAt(url)
    expect(await again.checkPassword(PERSON.id, PASSWORD)).toBe(true)
    await again.close()
  })
})
