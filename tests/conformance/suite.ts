/** Runs the official conformance suite against a server and says what each check came to. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The revisions whose server requirements we hold; the suite speaks each one's own wire. */
export const REVISIONS = ['2025-11-25', '2026-07-28'] as const
export type Revision = (typeof REVISIONS)[number]

/** From harmless to worst: where a check id occurs several times in a scenario, the worst one counts. */
const SEVERITY = ['INFO', 'SKIPPED', 'SUCCESS', 'WARNING', 'FAILURE'] as const
export type Outcome = (typeof SEVERITY)[number]

/** Scenario, check id, outcome. */
export type Outcomes = Map<string, Map<string, Outcome>>

export interface SuiteRun {
  /** Every scenario that ran, those beyond the requirements too. */
  outcomes: Outcomes
  /** A line for each required scenario that did not run and each of its checks that failed or warned. */
  complaints: string[]
}

export interface Check {
  id: string
  status: Outcome
  errorMessage?: string
}

const RUN_TIMEOUT_MS = 100_000
const require = createRequire(import.meta.url)

/** Runs what `revision` requires of a server against `url`; the result speaks also when checks fail. */
export async function runSuite(url: string, revision: Revision): Promise<SuiteRun> {
  const output = await mkdtemp(join(tmpdir(), 'valetkey-conformance-'))
  try {
    const log = await runCommand(['server', '--url', url, '--requirements', revision, '-o', output])
    const checks = await readChecks(output)
    if (checks.size === 0) throw new Error(`The conformance suite left no results:\n${log}`)
    const outcomes = new Map([...checks].map(([scenario, list]) => [scenario, worstById(list)]))
    return { outcomes, complaints: complainAbout(await readRequired(revision), checks) }
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}

/** What came out differently in `actual`: a line for each check id that differs, is missing or is new. */
export function findDifferences(expected: Outcomes, actual: Outcomes): string[] {
  const lines: string[] = []
  for (const scenario of new Set([...expected.keys(), ...actual.keys()])) {
    const before = expected.get(scenario) ?? new Map<string, Outcome>()
    const after = actual.get(scenario) ?? new Map<string, Outcome>()
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      const [was, is] = [before.get(id) ?? 'absent', after.get(id) ?? 'absent']
      if (was !== is) lines.push(`${scenario} / ${id}: ${was}, now ${is}`)
    }
  }
  return lines
}

/** The suite ends with an error when a check fails: that is a result, and the caller reads it from the files. */
export function runCommand(args: string[]): Promise<string> {
  const program = require.resolve('@modelcontextprotocol/conformance/dist/index.js')
  const options = { timeout: RUN_TIMEOUT_MS, maxBuffer: 32 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve(stdout + stderr)
    })
  })
}

async function readChecks(output: string): Promise<Map<string, Check[]>> {
  const checks = new Map<string, Check[]>()
  for (const folder of (await readdir(output)).sort()) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(folder)?.[1]
    if (scenario === undefined) throw new Error(`Not a result of the conformance suite: ${folder}`)
    checks.set(scenario, JSON.parse(await readFile(join(output, folder, 'checks.json'), 'utf8')) as Check[])
  }
  return checks
}

/** The names under `server:` in the requirement set that the suite ships for the revision. */
async function readRequired(revision: Revision): Promise<string[]> {
  const path = require.resolve(`@modelcontextprotocol/conformance/requirements/${revision}.yaml`)
  const section = /^server:\n((?: +- .+\n)+)/m.exec(await readFile(path, 'utf8'))?.[1]
  if (section === undefined) throw new Error(`No server requirements in ${path}`)
  return section
    .trim()
    .split(/\n?\s*- /)
    .filter(Boolean)
}

function worstById(checks: Check[]): Map<string, Outcome> {
  const worst = new Map<string, Outcome>()
  for (const { id, status } of checks) {
    const known = worst.get(id)
    if (known === undefined || SEVERITY.indexOf(status) > SEVERITY.indexOf(known)) worst.set(id, status)
  }
  return worst
}

function complainAbout(required: string[], checks: Map<string, Check[]>): string[] {
  return required.flatMap(scenario => {
    const list = checks.get(scenario)
    if (list === undefined || list.length === 0) return [`${scenario}: did not run`]
    return list
      .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
      .map(({ id, status, errorMessage = '' }) => `${scenario} / ${id}: ${status} ${errorMessage}`)
  })
}
