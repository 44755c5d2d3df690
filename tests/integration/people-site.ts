import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { api as contract, createClient } from '@valetkey/sdk/contract'
import pino from 'pino'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import type { Mail } from '../../packages/server/src/mail/index.ts'
import { readConfig, startAuthority } from '../../packages/server/src/server/index.ts'
import { createBrowser } from './browser.ts'

export const PASSWORD = 'seven blue teapots'

export type PeopleSite = Awaited<ReturnType<typeof openPeopleSite>>

/** An authority on loopback with the organization Northwind, whose clock the test moves, and its pages. */
export async function openPeopleSite(flags: Record<string, unknown> = {}, host = '127.0.0.1') {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-people-'))
  const port = await findFreePort()
  const url = `http://${host}:${port}`
  let aheadMs = 0
  const config = readConfig({
    flags: {
      ...{ issuer: url, httpPort: port, adminPort: 0, dataDirectory: directory, passwordCost: 14 },
      ...{ masterKey: randomBytes(32).toString('base64'), databaseUrl: 'sqlite::memory:', ...flags },
    },
  })
  const logged: { level: number; msg: string; requestId?: string }[] = []
  const log = pino(
    { level: 'info' },
    {
      write(line: string) {
        const entry = JSON.parse(line)
        logged.push(entry)
        if (entry.level >= 50) process.stderr.write(line)
      },
    },
  )
  const now = () => Date.now() + aheadMs
  const authority = await startAuthority(config, { log, now, isDev: true, drainMs: 500 })
  const clientWith = (token: string) => createClient(contract, { baseUrl: url, token: () => token })
  const claimed = await clientWith(authority.bootstrapCode ?? '').session.bootstrap({ name: 'admin' })
  const api = clientWith(claimed.token)
  await api.organizations.create({ slug: 'northwind', name: 'Northwind' })

  const mails: Mail[] = []
  authority.onMail(mail => mails.push(mail))

  return {
    url,
    api,
    /** What was mailed, the newest last. */
    mails,
    logged,
    now,
    clientWith,
    store: authority.store,
    passTime(minutes: number) {
      aheadMs += minutes * 60_000
    },
    /** A person who has a password. */
    async invited(email: string, name: string, organization = 'northwind', password = PASSWORD) {
      const person = await api.people.create({ organization, email, name })
      const { url: link } = await api.invitations.create({ organization, id: email })
      const browser = createBrowser(url)
      await browser.send(await browser.open(link), 'type="password"', { password, again: password })
      return person
    },
    /** Opens the sign-in page in a new browser, and sends it. */
    async signIn(values: Record<string, string>) {
      const browser = createBrowser(url)
      const page = await browser.open('/sign-in')
      const typed = { password: PASSWORD, ...values }
      return { browser, page: await browser.send(page, 'type="password"', typed) }
    },
    async events(type: string) {
      const { items } = await api.audit.changes({ type, limit: 200 })
      return items
    },
    async close() {
      await authority.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
