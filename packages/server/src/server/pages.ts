import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import type { Audit } from '../audit/index.ts'
import { type AuthorizationServer, openKeptSecret } from '../oauth/index.ts'
import type { LimitedFetch } from '../outbound/index.ts'
import { createPages, openAccounts, type Pages } from '../people/index.ts'
import type { Store } from '../store/index.ts'
import type { MailRoom } from './mail.ts'
import type { Config } from './settings.ts'

/** The pages for people, over accounts that are kept beside the database. */
export async function openPages(options: {
  config: Config
  store: Store
  now(): number
  addressOf(request: IncomingMessage): string
  log: Logger
  fetch: LimitedFetch
  mail: MailRoom
  oauth: Pick<AuthorizationServer, 'requests' | 'waiting'>
  evidence: Pick<Audit, 'calls' | 'who'>
}): Promise<Pages & { close(): Promise<void> }> {
  const { config, store, now, addressOf, log, fetch, mail, oauth, evidence } = options
  const { requests, waiting } = oauth
  const { issuer, passwordCost } = config
  const secret = await openKeptSecret(store, 'sessions')
  const accounts = openAccounts({
    url: accountsUrl(config.databaseUrl),
    ...{ secret, issuer, passwordCost, now },
    onFault: fault => log.error({ err: fault }, 'an account could not be read or kept'),
  })
  const onFault = (fault: unknown, reference: string) =>
    log.error({ err: fault, requestId: reference }, 'a page failed')
  const pages = createPages({
    ...{ store, accounts, issuer, secret, now, addressOf, fetch, onFault, requests, waiting, evidence },
    ...mail,
    onRefusal: ({ reference, ...page }) => log.info({ requestId: reference, ...page }, 'a page said no'),
    mayAdopt: config.consentMayAdoptAgents,
    takesCodes: config.deviceGrant,
  })
  return {
    ...pages,
    async close() {
      await mail.mailer?.close()
      await accounts.close()
    },
  }
}

/** `people.db` beside a SQLite file; the same PostgreSQL. */
function accountsUrl(databaseUrl: string): string {
  if (databaseUrl === 'sqlite::memory:' || !databaseUrl.startsWith('sqlite:')) return databaseUrl
  return `sqlite:${join(dirname(databaseUrl.slice('sqlite:'.length)), 'people.db')}`
}
