import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Story } from '../../packages/server/src/cli/demo/story.ts'
import { valetkey } from './program.ts'

let directory: string
let story: Story & { kind: string }

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-demo-test-'))
  await using program = valetkey(directory, ['demo', '--json'])
  expect(await program.ended, program.err()).toBe(0)
  story = JSON.parse(program.out())
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const step = (title: string | RegExp) => story.steps.find(each => each.title.search(title) !== -1)

describe('valetkey demo', () => {
  test('goes as it is told, in under a minute', () => {
    expect(story.kind).toBe('Demo')
    expect(story.totalMs).toBeLessThan(60_000)
    expect(story.steps.map(({ status }) => status)).toEqual([
      ...[401, 'answered', 'permitted', 'refused'],
      ...['refused', 'answered', 'permitted', 'answered'],
      ...['permitted', 'refused', 'answered'],
      ...['permitted', 'refused'],
      ...['confirmed', 401, 'shut out', 'permitted'],
    ])
  })

  test("a guessed id of another tenant's invoice opens nothing, and why says where it ended", () => {
    const guess = story.steps[4]
    expect(guess?.title).toContain('INV-7001')
    expect(guess?.text).toMatch(
      /^Denied: there is no customer\/initech\/invoice\/INV-7001 here \(decision dec_/,
    )
    const why = story.steps[5]
    expect(why?.title).toMatch(/^valetkey why dec_\w+$/)
    expect(guess?.text).toContain(why?.title.slice('valetkey why '.length))
    expect(why?.text).toMatch(
      /✓ scope {2}✗ resource \(resource_unknown\): .*customer\/initech\/invoice\/INV-7001/,
    )
    expect(step('contoso-bot asks')?.text).toContain('"amount":75')
  })

  test('why shows the path, and the smallest role that was missing', () => {
    expect(step('why research-agent')?.text).toMatch(
      /^customer\/globex → organization\/northwind: Denied: .* Role invoice-reader on customer\/globex would give it/,
    )
  })

  test('a person who is demoted takes from the agent what it had of her', () => {
    const { demotion } = story
    expect(step('maya lets')?.text).toContain('INV-1042')
    expect(step('maya loses')?.text).toMatch(
      /^Denied: no role of the person behind it holds invoices:read on customer\/acme/,
    )
    expect(demotion.confirmedMs).toBeGreaterThan(0)
    expect(demotion.refusedMs).toBeGreaterThan(demotion.confirmedMs)
  })

  test('two enforcement points confirm that the agent is out', () => {
    expect(story.revocation.points).toBe(2)
    expect(step('--wait')?.text).toMatch(/^2 of 2 enforcement points confirmed in/)
  })
})
