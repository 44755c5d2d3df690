import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Check, runCommand } from './suite.ts'

const COMMAND = `${process.execPath} ${join(import.meta.dirname, 'agent-client.ts')}`

/** Runs client scenarios of the official suite against an agent of ours; a line for each check that failed or warned. */
async function complaintsOf(args: string[]): Promise<Map<string, string[]>> {
  const output = await mkdtemp(join(tmpdir(), 'valetkey-conformance-'))
  try {
    // All scenarios of a suite run at once: on a busy machine each takes its time.
    await runCommand(['client', '--command', COMMAND, '--timeout', '90000', '-o', output, ...args])
    const files = (await readdir(output, { recursive: true })).filter(
      file => basename(file) === 'checks.json',
    )
    const found = files.map(async file => {
      const name = dirname(file).replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '')
      const checks = JSON.parse(await readFile(join(output, file), 'utf8')) as Check[]
      return [name, checks.filter(isComplaint).map(({ id, status }) => `${id}: ${status}`)] as const
    })
    return new Map(await Promise.all(found))
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}

function isComplaint({ status }: Check): boolean {
  return status === 'FAILURE' || status === 'WARNING'
}

test('the extensions: client credentials, enterprise-managed authorization, DPoP, workload identity', async () => {
  const complaints = await complaintsOf(['--suite', 'extensions'])
  expect(Object.fromEntries(complaints)).toEqual({
    'auth/client-credentials-basic': [],
    'auth/client-credentials-jwt': [],
    'auth/dpop': [],
    'auth/dpop-nonce': [],
    'auth/enterprise-managed-authorization': [],
    'auth/wif-jwt-bearer': [],
  })
})

test('the suite auth', async () => {
  const complaints = await complaintsOf(['--suite', 'auth'])
  expect(complaints.size).toBe(14)
  expect(Object.fromEntries([...complaints].filter(([, list]) => list.length > 0))).toEqual({})
})

/** Of the newest revision: servers that name themselves wrongly, and leave to come back. */
const NEWEST = [
  'resource-mismatch',
  'metadata-issuer-mismatch',
  'offline-access-scope',
  'offline-access-not-supported',
  'iss-supported',
  'iss-not-advertised',
  'iss-supported-missing',
  'iss-wrong-issuer',
  'iss-unexpected',
  'iss-normalized',
]

test('what the newest revision adds', async () => {
  const waiting = [...NEWEST]
  const outcomes: Record<string, string[] | undefined> = {}
  const work = async () => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const complaints = await complaintsOf(['--scenario', `auth/${name}`, '--spec-version', '2026-07-28'])
      outcomes[name] = complaints.get(`auth/${name}`)
    }
  }
  await Promise.all([work(), work(), work()])
  expect(outcomes).toEqual(Object.fromEntries(NEWEST.map(name => [name, []])))
})
