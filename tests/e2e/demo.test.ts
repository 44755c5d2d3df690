import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Story } from '../../packages/server/src/cli/run/demo/story.ts'
import { createBrowser } from '../integration/browser.ts'
import { personWith } from './person.ts'
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
      ...['permitted', 'refused'],
      ...['answered', 'permitted', 'permitted', 'refused', 'refused'],
      ...['answered', 'permitted', 'refused'],
      ...['confirmed', 401, 401, 'shut out', 'permitted'],
      ...['answered', 'proved', 'proved', 'found'],
    ])
  })

  test('README.md tells it as it goes', () => {
    const transcript =
      /## What the demo shows\n\n```\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? ''
    const told = [...transcript.matchAll(/^ {1,2}(\d+) {2}(.+)$/gm)]
    expect(told.length).toBeGreaterThan(5)
    for (const [, number, title] of told) expect(story.steps[Number(number) - 1]?.title).toBe(title)
  })

  test('it ends with the question in one line, a receipt, and a changed byte that the verifier names', () => {
    const [question, receipt, whole, bent] = story.steps.slice(-4)
    expect(question?.text).toMatch(
      /^2 agents touched customer\/acme on billing .*support-bot made .*authorized by maya/,
    )
    expect(receipt?.title).toMatch(/^valetkey audit receipt dec_\w+$/)
    expect(whole?.text).toMatch(/^\d+ records are what was signed; [1-9]\d* shipments/)
    expect(bent?.text).toMatch(/^record \d+ \(attempt dec_\w+\) was changed/)
    expect(story.proved.named).toBe(story.proved.bent)
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

  test('maya lets the agent act for her: for what she ticks, for one customer, for a day', () => {
    expect(step('maya signs in')?.text).toMatch(
      /^She was asked for invoices:read and tickets:read\. It has a token of 300 s for invoices:read tickets:read, on customer\/acme, and may come back until \d/,
    )
    expect(step('for maya: list_tickets')?.text).toContain('T-17')
    expect(step(/for maya: list_invoices \{ customer: "acme"/)?.text).toContain('INV-1042')
    expect(step(/"globex" \}, which she did not tick/)?.text).toMatch(
      /^Denied: the person did not let the agent touch customer\/globex/,
    )
  })

  test('a person who is demoted takes from the agent what it had of her', () => {
    const { demotion } = story
    expect(step('maya loses')?.text).toMatch(
      /^Denied: no role of the person behind it holds invoices:read on customer\/acme/,
    )
    expect(demotion.confirmedMs).toBeGreaterThan(0)
    expect(demotion.refusedMs).toBeGreaterThan(demotion.confirmedMs)
  })

  test('what an agent hands on is bounded, is refused with the leg that failed, and dies with that agent', () => {
    expect(step('support-bot lets billing-analyst')?.status).toBe('answered')
    expect(step(/^billing-analyst, for support-bot.*acme/)?.text).toContain('INV-1043')
    expect(step(/^billing-analyst, for support-bot.*globex/)?.text).toMatch(
      /^Denied: the delegation from support-bot to billing-analyst does not reach customer\/globex.* The leg that failed: chain\.$/,
    )
    expect(step('with the token that came of it')?.text).toMatch(
      /^The token is not accepted: the delegation is revoked\. [\d.]+ ms after the word was given$/,
    )
    expect(story.revocation.derivedMs).toBeGreaterThan(story.revocation.confirmedMs)
    expect(step('goes on with its own work')?.status).toBe('permitted')
  })

  test('two enforcement points confirm that the agent is out', () => {
    expect(story.revocation.points).toBe(2)
    expect(step('--wait')?.text).toMatch(/^2 of 2 enforcement points confirmed in/)
  })
})

test('with --browser somebody answers for maya, on the same pages', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-demo-browser-'))
  try {
    await using program = valetkey(folder, ['demo', '--json', '--browser'])
    await expect.poll(() => program.err(), { timeout: 60_000 }).toContain('let support-bot read tickets')
    const [, url = '', email = '', password = ''] =
      /Open {3}(\S+)\s+as {5}(\S+), password "([^"]+)"/.exec(program.err()) ?? []
    const browser = createBrowser(new URL(url).origin)
    const page = await browser.submit(await browser.open(url), { email, password })
    // Less than the script gives: no tickets.
    const answered = await personWith(browser, email).answer(page, {
      ...{ scope: ['invoices:read'], resource: ['customer/acme'], duration: 3_600 },
    })
    await fetch(answered.leaves as URL)
    expect(await program.ended, program.err()).toBe(0)
    const told = JSON.parse(program.out()) as Story
    const statuses = told.steps
      .filter(({ title }) => title.startsWith('for maya'))
      .map(({ status }) => status)
    expect(statuses).toEqual(['refused', 'permitted', 'refused'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
