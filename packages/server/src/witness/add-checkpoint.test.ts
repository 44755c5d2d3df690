import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkpointText,
  consistencyParts,
  createNoteSigner,
  joinParts,
  newNoteSeed,
  openNote,
  parseTrust,
  parseVkey,
  publicKeyOf,
  rootOf,
  sha256,
  signNote,
} from '@valetkey/sdk/evidence'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addCheckpoint } from './add-checkpoint.ts'
import { startWitness } from './server.ts'
import { openWitnessState } from './state.ts'

const SEED = newNoteSeed()
const ORIGIN = 'auth.test/log/org_1'
const log = createNoteSigner(ORIGIN, 'ed25519', SEED)
const signer = createNoteSigner('witness.test/w1', 'cosignature', newNoteSeed())
const leaves = Array.from({ length: 40 }, (_, i) => sha256(`leaf ${i}`))
const rootAt = (size: number) => rootOf(leaves.slice(0, size))

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-witness-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const witness = () => ({
  ...{ state: openWitnessState(directory), signer, trust: parseTrust([log.vkey]) },
  nowSeconds: () => 1_800_000_000,
})
const note = (size: number, root = rootAt(size), by = log) =>
  signNote(checkpointText({ origin: by.name, size, root }), [by])
function body(old: number, size: number, signed = note(size)): string {
  const proof = old === 0 ? [] : consistencyParts(old, size)
  const hashes = proof.map(part =>
    joinParts(
      part.map(([height, index]) => rootOf(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height))),
    ),
  )
  return `old ${old}\n${hashes.map(hash => `${hash.toString('base64')}\n`).join('')}\n${signed}`
}

test('200: a checkpoint that goes on from the last is cosigned, and remembered over a restart', () => {
  for (const [old, size] of [
    [0, 5],
    [5, 17],
    [17, 17],
    [17, 40],
  ] as const) {
    const answer = addCheckpoint(body(old, size), witness())
    expect(answer.status).toBe(200)
    const opened = openNote(note(size) + answer.body, [log, parseVkey(signer.vkey)])
    expect(opened.signed).toContainEqual({ name: signer.name, vkey: signer.vkey, seconds: 1_800_000_000 })
  }
})

test.each([
  ['400: nothing', '', 400],
  ['400: no old size', `old x\n\n${note(5)}`, 400],
  ['400: a leading zero', `old 00\n\n${note(5)}`, 400],
  ['400: a proof that is none', `old 0\nAAAA\n\n${note(5)}`, 400],
  [
    '400: too many hashes',
    `old 5\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}\n${note(9)}`,
    400,
  ],
  ['400: an old size beyond the new', `old 9\n\n${note(5)}`, 400],
  ['403: a signature that does not hold', body(0, 5).replace('\n5\n', '\n6\n'), 403],
  [
    '403: another key',
    body(0, 5, note(5, rootAt(5), createNoteSigner(ORIGIN, 'ed25519', newNoteSeed()))),
    403,
  ],
  [
    '404: another log',
    body(0, 5, note(5, rootAt(5), createNoteSigner('other.test/log', 'ed25519', SEED))),
    404,
  ],
  ['409: a size that was never cosigned', body(3, 5), 409],
  ['422: a proof where none belongs', `old 0\n${Buffer.alloc(32).toString('base64')}\n\n${note(5)}`, 422],
  ['422: an empty tree', `old 0\n\n${note(0, rootAt(0))}`, 422],
])('%s', (_what, request, status) => {
  const { state, ...rest } = witness()
  expect(addCheckpoint(request, { state, ...rest }).status).toBe(status)
  expect(state.get(ORIGIN)).toBeUndefined()
})

test('two histories are never both cosigned: neither a fork, nor another tree of the same size, nor a shorter one', () => {
  addCheckpoint(body(0, 9), witness())
  const forked = leaves.map((leaf, i) => (i === 4 ? sha256('another') : leaf))
  const fork = (size: number) => rootOf(forked.slice(0, size))
  expect(addCheckpoint(body(9, 20, note(20, fork(20))), witness()).status).toBe(422)
  expect(addCheckpoint(`old 9\n\n${note(9, fork(9))}`, witness()).status).toBe(422)
  expect(addCheckpoint(body(0, 9), witness())).toEqual({ status: 409, body: '9\n', type: 'text/x.tlog.size' })
  expect(addCheckpoint(body(5, 9), witness())).toMatchObject({ status: 409, body: '9\n' })
  expect(addCheckpoint(body(9, 20), witness()).status).toBe(200)
})

test('a memory that is damaged is no memory: nothing is cosigned', () => {
  addCheckpoint(body(0, 9), witness())
  const [file = ''] = readdirSync(directory)
  writeFileSync(join(directory, file), '{"origin":"x"')
  expect(() => addCheckpoint(body(0, 9), witness())).toThrow()
})

test('all logs of an environment are trusted by one line, and none beside it', () => {
  const key = publicKeyOf(SEED).toString('base64')
  const trust = parseTrust([`auth.test/log/*+${key}`])
  expect(trust('auth.test/log/org_1').map(({ vkey }) => vkey)).toEqual([log.vkey])
  expect(trust('auth.test/other/org_1')).toEqual([])
  expect(trust('auth.test/logs')).toEqual([])
  expect(() => parseTrust(['auth.test/log/*'])).toThrow()
})

test('over HTTP: what fits is cosigned, anything else is refused, and two at once do not both pass', async () => {
  const running = await startWitness({
    directory,
    signer,
    trust: parseTrust([log.vkey]),
    host: '127.0.0.1',
    port: 0,
  })
  const post = (request: string, path = '/add-checkpoint') =>
    fetch(`${running.url}${path}`, { method: 'POST', body: request })
  const answers = await Promise.all([post(body(0, 5)), post(body(0, 9))])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  expect((await post(body(0, 5), '/elsewhere')).status).toBe(404)
  expect((await fetch(`${running.url}/add-checkpoint`)).status).toBe(404)
  expect((await post('x'.repeat(100_000))).status).toBe(400)
  await running.close()
})
