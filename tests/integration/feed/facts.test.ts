import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../../packages/sdk/src/core/index.ts'
import { suspendAgent } from '../../../packages/server/src/directory/index.ts'
import { contextOf, map, take } from '../../storage/feed-stand.ts'
import { codeOf, standFeed } from './stand.ts'

const stand = standFeed()

describe('facts', () => {
  test('a point is given the tools of its own server alone', async () => {
    const point = await stand.start()
    const facts = await point.snapshot(CATALOGUE)
    const text = JSON.stringify(facts)
    expect(text).toContain('"refund"')
    expect(text).toContain('"clerk"')
    expect(text).not.toContain('crm')
  })

  test('a change of another server arrives as a revision without content', async () => {
    const point = await stand.start()
    const { revision } = await point.snapshot(CATALOGUE)
    const events = point.events(`catalogue.${revision}`)
    await map(contextOf(stand.store), stand.seeded.crm.id, 'another-crm-tool')
    await map(contextOf(stand.store), stand.seeded.billing.id, 'void')
    const [foreign, own] = await take(events, 2)
    expect(foreign).toMatchObject({ id: `catalogue.${revision + 1}`, change: { ops: [] } })
    expect(own).toMatchObject({ id: `catalogue.${revision + 2}`, change: { ops: [{ fact: 'tool' }] } })
  })

  test('an organization that is not there has no snapshot', async () => {
    const point = await stand.start()
    expect(await codeOf(await point.send('/feed/snapshot?organization=org_none'))).toEqual([404, 'not_found'])
    expect(await codeOf(await point.send('/feed/snapshot'))).toEqual([400, 'request.invalid'])
  })

  test('a suspended agent arrives over the stream', async () => {
    const point = await stand.start()
    const { revision } = await point.snapshot(stand.seeded.organization)
    const events = point.events(`${stand.seeded.organization}.${revision}`)
    const { organization, agent } = stand.seeded
    await suspendAgent(contextOf(stand.store), { organization, id: agent.id, reason: '' })
    const [event] = await take(events, 1)
    expect(event).toMatchObject({
      kind: 'change',
      change: {
        revision: revision + 1,
        ops: [{ fact: 'principal', id: agent.id, value: { status: 'suspended' } }],
      },
    })
  })

  test('a position is refused where it is malformed, double or names what the point does not hold', async () => {
    const point = await stand.start()
    await point.snapshot(CATALOGUE)
    for (const from of ['', 'catalogue', 'catalogue.-1', 'catalogue.1,catalogue.2', 'catalogue.01', 'x.1'])
      expect(await codeOf(await point.send(`/feed/changes?from=${from}`))).toEqual([400, 'request.invalid'])
    const foreign = await point.send(`/feed/changes?from=${stand.seeded.organization}.0`)
    expect(await codeOf(foreign)).toEqual([400, 'request.invalid'])
  })

  test('a subscriber goes on after the last event that it saw', async () => {
    const point = await stand.start()
    const { revision } = await point.snapshot(CATALOGUE)
    for (const name of ['a', 'b', 'c']) await map(contextOf(stand.store), stand.seeded.billing.id, name)
    const from = `catalogue.${revision}`
    const [first] = await take(point.events(from), 1)
    const rest = await take(point.events(from, { lastEventId: first?.id ?? '' }), 2)
    expect(rest.map(event => event.id)).toEqual([`catalogue.${revision + 2}`, `catalogue.${revision + 3}`])
  })

  test('a subscriber whose history is gone, or who is ahead of the database, is told to load anew', async () => {
    const point = await stand.start()
    const { revision } = await point.snapshot(CATALOGUE)
    const [ahead] = await take(point.events(`catalogue.${revision + 5}`), 1)
    expect(ahead).toMatchObject({ kind: 'reset', organization: CATALOGUE, id: `catalogue.${revision}` })
    await stand.store.db.deleteFrom('changeLog').where('revision', '<=', 2).execute()
    const [gone] = await take(point.events('catalogue.1'), 1)
    expect(gone).toMatchObject({ kind: 'reset', organization: CATALOGUE, id: `catalogue.${revision}` })
  })

  test('streams end when the stand.feed closes', async () => {
    const point = await stand.start()
    await point.snapshot(CATALOGUE)
    const stream = take(point.events('catalogue.0'), 10_000)
    await new Promise(resolve => setTimeout(resolve, 20))
    stand.feed.close()
    expect((await stream).length).toBeGreaterThan(0)
  })
})
