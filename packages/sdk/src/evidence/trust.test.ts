import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkpointText } from './checkpoint.ts'
import { readKeyStatement, signKeyStatement, statementLine } from './key-statement.ts'
import { EMPTY_ROOT } from './merkle.ts'
import { createNoteSigner, createNoteVerifier, newNoteSeed, publicKeyOf, signNote } from './note.ts'
import { parseTrust } from './trust.ts'

const PREFIX = 'auth.test/log/'
const ORIGIN = 'auth.test/log/org_1'
const AT = { origin: 'auth.test/log/environment', size: 7, root: EMPTY_ROOT }
const seeds = Array.from({ length: 6 }, newNoteSeed)
const [one, two, three, four, thief] = seeds as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
const line = (seed: Buffer) => `${PREFIX}*+${publicKeyOf(seed).toString('base64')}`
const vkey = (seed: Buffer) => createNoteVerifier(ORIGIN, 'ed25519', publicKeyOf(seed)).vkey
const follows = (follows: Buffer, key: Buffer) =>
  signKeyStatement({ prefix: PREFIX, at: AT }, { key, follows })
const revokes = (key: Buffer, ...gone: Buffer[]) =>
  signKeyStatement({ prefix: PREFIX, at: AT, revokes: gone.map(publicKeyOf) }, { key })
const trusted = (given: Buffer[], statements: string[], origin = ORIGIN) =>
  parseTrust(given.map(line))
    .with(statements.map(readKeyStatement))(origin)
    .map(({ vkey }) => vkey)

test('whoever knows a key goes on to those that follow it, in whatever order that is said', () => {
  const chain = [follows(one, two), follows(two, three), follows(three, four)]
  expect(trusted([one], chain)).toEqual([one, two, three, four].map(vkey))
  expect(trusted([one], chain.toReversed()).toSorted()).toEqual([one, two, three, four].map(vkey).toSorted())
  expect(trusted([three], chain)).toEqual([three, four].map(vkey))
  expect(trusted([one], [...chain, ...chain])).toHaveLength(4)
  // A key of one log leads to the keys of that log, and one of other logs nowhere.
  const ofOne = parseTrust([vkey(one), ...chain.map(statementLine)])
  expect(ofOne(ORIGIN).map(({ vkey }) => vkey)).toEqual([one, two, three, four].map(vkey))
  expect(ofOne('auth.test/log/org_2')).toEqual([])
  expect(trusted([one], chain, 'auth.test/other/org_1')).toEqual([])
})

test('what is missing in the middle, or said by another key, leads nowhere', () => {
  expect(trusted([one], [follows(one, two), follows(three, four)])).toEqual([one, two].map(vkey))
  expect(trusted([one], [follows(thief, four)])).toEqual([vkey(one)])
})

test('a key that was taken back is trusted no more, given or not, and neither is what only that one vouches for', () => {
  const chain = [follows(one, two), follows(two, thief), revokes(three, one, two), follows(three, four)]
  expect(trusted([one, three], chain)).toEqual([three, four].map(vkey))
  // Whoever knows only the old one is not led on by it: the new one has to be given.
  expect(trusted([one], chain)).toEqual([one, two, thief].map(vkey))
  // Nor does it come back because another file says it again.
  const told = parseTrust([line(three), line(one), ...chain.map(statementLine)])
  expect(
    told
      .with([readKeyStatement(follows(one, two))])(ORIGIN)
      .map(({ vkey }) => vkey),
  ).toEqual([three, four].map(vkey))
  // Whom nobody trusts takes nothing back.
  expect(trusted([one, two], [revokes(thief, one, two)])).toEqual([one, two].map(vkey))
})

test('of two keys that one and the same key vouches for, neither is trusted', () => {
  const statements = [follows(one, two), follows(one, thief), follows(thief, four)].map(readKeyStatement)
  const trust = parseTrust([line(one)]).with(statements)
  expect(trust(ORIGIN).map(({ vkey }) => vkey)).toEqual([vkey(one)])
  expect(trust.forks(ORIGIN)).toHaveLength(2)
  // Who knows a later key does not depend on that.
  const later = parseTrust([line(two)]).with([...statements, readKeyStatement(follows(two, three))])
  expect(later(ORIGIN).map(({ vkey }) => vkey)).toEqual([two, three].map(vkey))
  expect(later.forks(ORIGIN)).toEqual([])
})

test('a statement is signed by the key that it is about and by the one that vouches for it', () => {
  const note = follows(one, two)
  expect(readKeyStatement(note)).toMatchObject({
    prefix: PREFIX,
    follows: publicKeyOf(one),
    at: AT,
    revokes: [],
  })
  const lines = note.trimEnd().split('\n')
  for (const without of [-1, -2])
    expect(() => readKeyStatement(`${lines.toSpliced(without, 1).join('\n')}\n`)).toThrow(
      'not signed by its keys',
    )
  const bytes = Buffer.from(note)
  for (let at = 0; at < bytes.length; at++) {
    const bent = Buffer.from(bytes)
    bent[at] = (bent[at] ?? 0) ^ 1
    expect(() => readKeyStatement(bent.toString()), `byte ${at}`).toThrow()
  }
  // A checkpoint of a log is none, whatever the log is called.
  const checkpoint = signNote(checkpointText(AT), [createNoteSigner(AT.origin, 'ed25519', one)])
  expect(() => readKeyStatement(checkpoint)).toThrow('no statement')
  for (const bad of ['statement !', 'statement ', `statement ${Buffer.from(checkpoint).toString('base64')}`])
    expect(() => parseTrust([bad]), bad).toThrow()
})

test('nothing that is said leads from a key to one that no unbroken chain of signatures leads to', () => {
  const index = fc.nat({ max: seeds.length - 1 })
  fc.assert(
    fc.property(fc.array(fc.tuple(index, index), { maxLength: 8 }), index, (links, start) => {
      const of = (i: number) => seeds[i] as Buffer
      const real = links.filter(([from, to]) => from !== to)
      const reached = new Set([start])
      for (let size = 0; size !== reached.size; ) {
        size = reached.size
        for (const [from, to] of real) if (reached.has(from)) reached.add(to)
      }
      const found = trusted(
        [of(start)],
        real.map(([from, to]) => follows(of(from), of(to))),
      )
      for (const key of found) expect([...reached].map(i => vkey(of(i)))).toContain(key)
      const hasForks = real.some(([a, b]) => real.some(([c, d]) => a === c && b !== d))
      if (!hasForks) expect(found).toHaveLength(reached.size)
    }),
    { numRuns: 40 },
  )
})
