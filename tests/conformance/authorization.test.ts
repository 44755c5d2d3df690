import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Site, sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { freeRedirect, type Person } from '../e2e/person.ts'
import { type OauthStage, RESOURCE, startStage } from '../integration/oauth-stage.ts'
import { REVISIONS } from './suite.ts'

/** The official suite for authorization servers: all of it, and nothing skipped. */

const program = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/dist/index.js')

let stage: OauthStage
let site: Site
let maya: Person
let document: { client_id: string; client_name: string; redirect_uris: string[] }

beforeAll(async () => {
  site = await startSite((_request, response) => sendJson(response, document))
  stage = await startStage({ clientDocumentPrivateHosts: site.host })
  maya = await stage.signedUp()
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

/** Runs the suite as a client; somebody opens the address that it prints. */
async function run(client: { id: string; redirect: string }, revision: string) {
  const output = await mkdtemp(join(tmpdir(), 'valetkey-authorization-'))
  try {
    const { port } = new URL(client.redirect)
    const args = [
      ...[program, 'authorization', '--url', stage.url, '--resource', RESOURCE, '--client-id', client.id],
      ...['--port', port, '--spec-version', revision, '-o', output],
    ]
    const child = spawn(process.execPath, args, { timeout: 60_000 })
    let log = ''
    let opened: Promise<unknown> | undefined
    const read = (chunk: Buffer) => {
      log += chunk.toString()
      const url = /^(http\S+\/authorize\?\S+)\n/m.exec(log)?.[1]
      if (url !== undefined) opened ??= maya.decide(url).then(back => fetch(back))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    await new Promise(resolve => child.once('close', resolve))
    await opened
    const checks = await readChecks(output)
    const statuses = Object.fromEntries(checks.map(({ id, status }) => [id, status]))
    const failed = checks.filter(({ status }) => status !== 'SUCCESS')
    return { checks: statuses, log: `${log}${JSON.stringify(failed, null, 2)}` }
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}

async function readChecks(output: string): Promise<{ id: string; status: string }[]> {
  const files = (await readdir(output, { recursive: true })).filter(file => file.endsWith('checks.json'))
  const texts = await Promise.all(files.map(file => readFile(join(output, file), 'utf8')))
  return texts.flatMap(text => JSON.parse(text) as { id: string; status: string }[])
}

const ALL = {
  'authorization-server-metadata': 'SUCCESS',
  'authorization-server-metadata-cimd': 'SUCCESS',
  'authorization-code-grant': 'SUCCESS',
}

describe.each(REVISIONS)('%s', revision => {
  test('as a client that registered itself', async () => {
    const redirect = await freeRedirect()
    const id = await stage.register({ redirect_uris: [redirect] })
    const { checks, log } = await run({ id, redirect }, revision)
    expect(checks, log).toEqual(ALL)
  })

  test('as a client that a document describes', async () => {
    const redirect = await freeRedirect()
    const id = `${site.url}/suite-${revision}.json`
    document = { client_id: id, client_name: 'Suite', redirect_uris: [redirect] }
    const { checks, log } = await run({ id, redirect }, revision)
    expect(checks, log).toEqual(ALL)
  })
})
