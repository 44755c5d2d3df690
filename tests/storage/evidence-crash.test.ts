import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { compareWithClaims, parseCheckpoint, partNote } from '@valetkey/sdk/evidence'
import { expect, test } from 'vitest'
import { type Audit, openAudit } from '../../packages/server/src/audit/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { verify } from '../integration/evidence-stage.ts'
import { NOW } from './audit-evidence.ts'
import { attempt, insertNames } from './audit-samples.ts'
import { describeOnBoth, freshDirectory } from './databases.ts'
import { ship } from './shipping.ts'

const STEPS = ['ingest', 'grow', 'keepNotes', 'append'].flatMap(step =>
  ['before', 'after'].map(when => ({ step, when })),
)

interface Said {
  acknowledged: number
  checkpoints: string[]
  errors: string[]
}

/** Lets a node work until it is killed; gives what it had said by then. */
function workUntilKilled(orders: object): Promise<Said> {
  const program = join(import.meta.dirname, 'sealing-process.ts')
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, JSON.stringify(orders)], (error, out, err) => {
      if (error?.signal !== 'SIGKILL') return reject(new Error(`it ended by itself: ${out} ${err}`))
      const said = out
        .trim()
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line))
      resolve({
        acknowledged: said.findLast(each => 'acknowledged' in each)?.acknowledged ?? 0,
        checkpoints: said.flatMap(({ checkpoint }) => checkpoint ?? []),
        errors: said.flatMap(({ error }) => error ?? []),
      })
    })
  })
}

async function bundleOf(audit: Audit): Promise<string> {
  const pieces: string[] = []
  for await (const piece of await audit.proof.export({ organization: 'northwind' }, 'tok_1'))
    pieces.push(piece)
  return pieces.join('')
}

const open = (store: Store, path: string) =>
  openAudit({ store, path, origin: 'auth.test/log', now: () => NOW, headRecords: 60 })

/** All that was acknowledged is in the log, and all that was ever signed is one history. */
async function expectNothingLost(audit: Audit, known: { ids: string[]; checkpoints: string[] }) {
  const bundle = await bundleOf(audit)
  const report = verify(bundle, audit.logs.trust())
  expect(report.findings).toEqual([])
  expect(report.missing).toEqual([])
  for (const id of known.ids) expect(bundle).toContain(`"id":"${id}"`)
  const claims = known.checkpoints.map(note => ({ ...parseCheckpoint(partNote(note).text), by: 'a node' }))
  expect(compareWithClaims(report, claims)).toEqual([])
  // Each record is there once.
  const ids = [...bundle.matchAll(/^entry\t\d+\t\S+\t\{.*?"id":"(dec_[^"]+)"/gm)].map(([, id]) => id)
  expect(new Set(ids).size).toBe(ids.length)
}

describeOnBoth('a node that is killed', (openTestStore, place) => {
  test.runIf(place.kind === 'file')(
    'before or after any step of storing, growing, signing and anchoring loses and forks nothing',
    async () => {
      const url = await place.newUrl()
      const directory = freshDirectory()
      const path = join(directory, 'audit', 'evidence.db')
      const known = { ids: [] as string[], checkpoints: [] as string[] }
      const store = await openTestStore(url)
      await insertNames(store)
      await store.close()
      let first = 1
      for (const [i, { step, when }] of STEPS.entries()) {
        const memoryPath = join(directory, 'audit', 'checkpoints')
        const orders = { url, path, memoryPath, point: 'pnt_1', first, step, when, turn: 2 + (i % 2) }
        const said = await workUntilKilled(orders)
        expect(said.errors).toEqual([])
        known.checkpoints.push(...said.checkpoints)
        for (let n = first; n <= said.acknowledged; n++) known.ids.push(`dec_pnt_1_${n}`)
        // What was not acknowledged is shipped again.
        first = Math.max(first, said.acknowledged + 1)
      }
      expect(known.ids.length).toBeGreaterThan(100)
      const after = await openTestStore(url)
      const audit = await open(after, path)
      await ship(
        audit,
        'pnt_1',
        1,
        Array.from({ length: 20 }, (_, i) => attempt(first + i, { id: `dec_pnt_1_${first + i}` })),
      )
      await expectNothingLost(audit, known)
      await audit.close()
    },
  )

  test.runIf(place.kind === 'postgres')(
    'while another goes on: what the two have signed between them is one history, and holds all that both acknowledged',
    async () => {
      const url = await place.newUrl()
      const store = await openTestStore(url)
      await insertNames(store)
      const other = {
        ...(await store.db.selectFrom('enforcementPoint').selectAll().executeTakeFirstOrThrow()),
      }
      await store.write(tx =>
        tx
          .insertInto('enforcementPoint')
          .values({ ...other, id: 'pnt_2', sessionHash: 's2' })
          .execute(),
      )
      const audit = await open(store, join(freshDirectory(), 'audit', 'evidence.db'))
      const known = { ids: [] as string[], checkpoints: [] as string[] }
      const directory = freshDirectory()
      let first = 1
      let mine = 1
      for (const [i, { step, when }] of STEPS.slice(1, 6).entries()) {
        const memoryPath = join(directory, 'checkpoints')
        const orders = { url, path: '', memoryPath, point: 'pnt_2', first, step, when, turn: 2 + (i % 3) }
        let isOver = false
        const killed = workUntilKilled(orders).finally(() => {
          isOver = true
        })
        do {
          const records = Array.from({ length: 10 }, (_, n) =>
            attempt(mine + n, { id: `dec_pnt_1_${mine + n}` }),
          )
          await ship(audit, 'pnt_1', 1, records)
          known.ids.push(...records.map(({ id }) => id))
          mine += 10
          await audit.logs.seal()
          known.checkpoints.push((await audit.logs.find('org_nw'))?.note ?? '')
          await delay(30)
        } while (!isOver)
        const said = await killed
        expect(said.errors).toEqual([])
        known.checkpoints.push(...said.checkpoints)
        for (let n = first; n <= said.acknowledged; n++) known.ids.push(`dec_pnt_2_${n}`)
        first = Math.max(first, said.acknowledged + 1)
      }
      // What it stored and did not live to acknowledge, it ships again.
      await ship(
        audit,
        'pnt_2',
        1,
        Array.from({ length: 20 }, (_, i) => attempt(first + i, { id: `dec_pnt_2_${first + i}` })),
      )
      await expectNothingLost(audit, known)
      await audit.close()
    },
  )
})
