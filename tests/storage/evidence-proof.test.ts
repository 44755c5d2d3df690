import { expect, test } from 'vitest'
import { verify } from '../integration/evidence-stage.ts'
import { openEvidence } from './audit-evidence.ts'
import { attempt } from './audit-samples.ts'
import { describeOnBoth } from './databases.ts'
import { ship } from './shipping.ts'

const note = (counter: number) => `what jane wrote in call ${counter}.`
const calls = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    attempt(first + i, {
      arguments: { note: note(first + i) },
      resource: (first + i) % 3 === 0 ? 'customer/jane' : 'customer/acme',
    }),
  )

describeOnBoth('what is proved', (open, place) => {
  // So many that some are in segments, some in a head that waits and some in the one that is written to.
  async function start() {
    const evidence = await openEvidence(open, place)
    for (let first = 1; first <= 120; first += 20) await ship(evidence.audit, 'pnt_1', 1, calls(first, 20))
    await evidence.audit.flush()
    const { audit } = evidence
    const bundle = async (query = {}) => {
      const pieces: string[] = []
      for await (const piece of await audit.proof.export({ organization: 'northwind', ...query }, 'tok_1'))
        pieces.push(piece)
      return pieces.join('')
    }
    return Object.assign(evidence, { bundle, trust: audit.logs.trust() })
  }

  test('a log is exported whole or by a question, and verifies with its public key alone', async () => {
    await using evidence = await start()
    expect(verify(await evidence.bundle(), evidence.trust)).toMatchObject({
      findings: [],
      entries: 127,
      shipments: 6,
    })
    const asked = verify(await evidence.bundle({ resource: 'customer/jane' }), evidence.trust)
    expect(asked).toMatchObject({ findings: [], entries: 40 })
    const { receipt } = await evidence.audit.proof.receipt(attempt(17).id)
    expect(receipt).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /)
  })

  test('what is erased is nowhere any more, stays erased, and leaves the log valid', async () => {
    await using evidence = await start()
    const before = await evidence.bundle()
    expect(before).toContain(note(3))
    const wish = { organization: 'northwind', resource: 'customer/jane', reason: 'her request' }
    expect(await evidence.audit.proof.erase(wish, 'usr_maya')).toMatchObject({ erased: 40 })
    for (const again of [1, 2]) {
      const after = await evidence.bundle()
      for (const { id } of calls(1, 120)) expect(after).toContain(id)
      for (let counter = 1; counter <= 120; counter++)
        expect(after.includes(note(counter)), `call ${counter}`).toBe(counter % 3 !== 0)
      expect(verify(after, evidence.trust), `${again}`).toMatchObject({ findings: [], erased: 40 })
      // Also after what is there was packed anew, and segments were built.
      for (let first = 121; first <= 620; first += 50)
        if (again === 1)
          await ship(
            evidence.audit,
            'pnt_1',
            1,
            calls(first, 50).map(call => ({ ...call, resource: 'customer/acme' })),
          )
      await evidence.audit.flush()
    }
    expect(await evidence.all({ text: note(3) })).toEqual([])
    expect(await evidence.audit.proof.erase(wish, 'usr_maya')).toEqual({ erased: 0, ids: [] })
  })
})
