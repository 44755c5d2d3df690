import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Moving, watchStalls } from './stalls.ts'

const TIMEOUT_MS = 200

class Call implements Moving {
  movedAt = 0
  place = -1
  givenUp = 0

  giveUp(): void {
    this.givenUp++
  }
}

test('what does not move is given up, what moves or is forgotten is not', async () => {
  const watch = watchStalls(TIMEOUT_MS)
  const [still, moving, forgotten] = [new Call(), new Call(), new Call()]
  for (const call of [still, moving, forgotten]) watch.add(call)
  watch.remove(forgotten)
  for (let i = 0; i < 8 && still.givenUp === 0; i++) {
    moving.movedAt = performance.now()
    await sleep(TIMEOUT_MS / 4)
  }
  watch.close()
  expect(still.givenUp).toBeGreaterThan(0)
  expect([moving.givenUp, forgotten.givenUp]).toEqual([0, 0])
})

test('exactly those that are watched are looked at, in whatever order they come and go', async () => {
  const step = fc.record({ add: fc.boolean(), which: fc.nat(9) })
  const runs = fc.sample(fc.array(step, { minLength: 10, maxLength: 40 }), 20)
  const stages = runs.map(run => {
    const watch = watchStalls(1)
    const calls = Array.from({ length: 10 }, () => new Call())
    const watched = new Set<Call>()
    for (const { add, which } of run) {
      const call = calls[which] as Call
      if (add === watched.has(call)) continue
      if (add) watch.add(call)
      else watch.remove(call)
      if (add) watched.add(call)
      else watched.delete(call)
      // Twice over does no harm.
      if (!add) watch.remove(call)
    }
    return { watch, calls, watched }
  })
  await sleep(50)
  for (const { watch, calls, watched } of stages) {
    watch.close()
    expect(calls.filter(({ givenUp }) => givenUp > 0)).toEqual(calls.filter(call => watched.has(call)))
  }
})
