import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNoteSigner, newNoteSeed, parseCheckpoint, parseTrust, partNote } from '@valetkey/sdk/evidence'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAudit } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { startWitness } from '../../packages/server/src/witness/index.ts'
import { attempt, insertNames } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { NOW } from './evidence-stage.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-witnesses-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('a witness that has forgotten what it has cosigned is told of, and goes on from what it remembers', async () => {
  const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) })
  await insertNames(store)
  const common = { store, origin: 'auth.test/log', now: () => NOW }
  const path = join(directory, 'audit', 'evidence.db')
  const before = await openAudit({ ...common, path })
  const trust = parseTrust(before.logs.trust())
  await before.close()
  const signer = createNoteSigner('witness.test/w1', 'cosignature', newNoteSeed())
  const seen = join(directory, 'seen')
  const start = (port: number) => startWitness({ directory: seen, signer, trust, host: '127.0.0.1', port })
  let witness = await start(0)
  const port = Number(new URL(witness.url).port)
  /** A node that ships so many calls, after which the log has that size; gives what the node was told of. */
  async function run(first: number, count: number, size: number): Promise<unknown[]> {
    const errors: unknown[] = []
    const audit = await openAudit({
      ...{ ...common, path, witnesses: [{ vkey: signer.vkey, url: witness.url }] },
      onError: error => void errors.push(error),
    })
    await ship(
      audit,
      'pnt_1',
      1,
      Array.from({ length: count }, (_, i) => attempt(first + i)),
    )
    await audit.logs.anchor()
    const { cosigned } = (await audit.logs.find('org_nw')) ?? {}
    expect(parseCheckpoint(partNote(cosigned ?? '').text).size).toBe(size)
    await audit.close()
    return errors
  }
  expect(await run(1, 5, 6)).toEqual([])
  await witness.close()
  rmSync(seen, { recursive: true })
  witness = await start(port)
  expect(await run(6, 2, 9)).toContainEqual(
    expect.objectContaining({
      message: expect.stringMatching(/w1 has cosigned 6 entries of .*org_nw and remembers 0/),
    }),
  )
  expect(await run(8, 1, 11)).toEqual([])
  await witness.close()
  await store.close()
})
