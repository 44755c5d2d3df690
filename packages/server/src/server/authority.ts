import { join } from 'node:path'
import type { AttemptRecord } from '@valetkey/sdk/core'
import type { Logger } from 'pino'
import { type Audit, openAudit } from '../audit/index.ts'
import { limitIndex } from '../directory/index.ts'
import { createFeed, type RecordSink } from '../feed/index.ts'
import type { Mail } from '../mail/index.ts'
import { createAuthorizationServer } from '../oauth/index.ts'
import { createFetch, createReach } from '../outbound/index.ts'
import { createAskedMail, problemPage } from '../people/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { createApi } from './api.ts'
import { createAddressOf } from './client-address.ts'
import { openDataDirectory, requireSameDatabase } from './data-directory.ts'
import { openEdge } from './edge.ts'
import { startHealth } from './health.ts'
import { openMail } from './mail.ts'
import { createMetrics } from './metrics.ts'
import { openObserving, openSending } from './outward.ts'
import { openPages } from './pages.ts'
import { openPdp } from './pdp.ts'
import { createResolveTxt } from './resolve-txt.ts'
import { isLoopback } from './safety.ts'
import { openScim } from './scim.ts'
import { createServerNames } from './server-names.ts'
import type { Config } from './settings.ts'
import { openSignals } from './signals.ts'

/** Told of a call that an enforcement point recorded, after it is stored, with the name of its server. */
export type CallListener = (record: AttemptRecord, server: string) => void

/** One node of the authority: identities, policy, tokens, feed and evidence on one port. */
export interface Authority {
  readonly url: string
  /** Where this node itself is heard, as `HOST:PORT`. */
  readonly address: string
  readonly adminUrl: string
  readonly store: Store
  /** The one-time code for the first sign-in; null where somebody has signed in before. */
  readonly bootstrapCode: string | null
  onCall(listener: CallListener): void
  /** Calls back with every mail that stays on this machine; there are none where a mail server is named. */
  onMail(listener: (mail: Mail) => void): void
  /** Stops taking requests, lets those under way end, and leaves nothing unwritten. */
  close(): Promise<void>
}

export interface AuthorityOptions {
  log: Logger
  now?(): number
  isDev?: boolean
  /** How long requests under way may take to end at a stop. */
  drainMs?: number
}

/** Starts a node. Resolves once it answers; what cannot work fails here, with a sentence that says the fix. */
export async function startAuthority(config: Config, options: AuthorityOptions): Promise<Authority> {
  const opened = createOpened(fault =>
    options.log.error({ err: fault }, 'a part of the node failed to close'),
  )
  try {
    return await startNode(config, options, opened)
  } catch (fault) {
    await opened.close()
    throw fault
  }
}

async function startNode(config: Config, options: AuthorityOptions, opened: Opened): Promise<Authority> {
  const { log, now = Date.now, isDev = false, drainMs = 15_000 } = options
  const { issuer } = config
  const { store, audit } = await openEvidence(config, { log, now, opened })
  const calls = createCallWatch(store, fault => log.warn({ err: fault }, 'calls could not be counted'))
  const feed = createFeed({
    ...{ store, issuer, now },
    audit: watched(audit, calls.tell),
    onFault: fault => log.warn({ err: fault }, 'the feed met a fault'),
  })
  const { barrier } = feed
  const parts = { store, audit, now, log, barrier }
  const sinks = opened.add(await openSending(config, parts), it => it.close())
  const baseline = opened.add(await openObserving(config, parts), it => it.close())
  const metrics = createMetrics({ audit, store, sinks, baseline })
  calls.add(metrics.call)
  const health = opened.add(await startHealth({ config, store, audit, metrics, now }), it => it.close())
  const addressOf = createAddressOf(config.trustedProxies)
  const { tokenAlgorithm, dynamicRegistration, delegationDepth, deviceGrant, ciba, issuerPrivateHosts } =
    config
  const mail = openMail(config, { isDev, now, log })
  const { mailer } = mail
  const clientDocuments = config.clientDocuments
    ? { hosts: config.clientDocumentHosts, privateHosts: config.clientDocumentPrivateHosts }
    : undefined
  const oauth = opened.add(
    await createAuthorizationServer({
      ...{ store, issuer, tokenAlgorithm, delegationDepth, issuerPrivateHosts, log, now, addressOf },
      onToken: metrics.token,
      people: {
        ...{ dynamicRegistration, clientDocuments, deviceGrant, ciba },
        problemPage: async problem => problemPage(problem),
        tellAsked: createAskedMail({ store, mailer, issuer }),
      },
    }),
    it => it.close(),
  )
  const resolveTxt = createResolveTxt(config.dnsServers)
  const isOwnMachine = isLoopback(new URL(issuer).hostname)
  const fetch = createFetch(createReach({ privateHosts: issuerPrivateHosts, isOwnMachine }))
  const api = await createApi({
    ...{ store, audit, sinks, baseline, now, issuer, isDev, barrier, log, addressOf },
    ...{ resolveTxt, fetch, mailer },
  })
  limitIndex(store, config.indexMemoryMb * 2 ** 20)
  const pdp = openPdp({ store, now, issuer, log })
  const scim = openScim({ store, now, issuer, addressOf, log })
  const signals = openSignals({ store, now, issuer, addressOf, fetch, log })
  const pages = opened.add(
    await openPages({
      ...{ config, store, now, addressOf, log, fetch, mail },
      ...{ oauth, evidence: audit },
    }),
    it => it.close(),
  )
  const edge = opened.add(
    await openEdge({ config, oauth, api, feed, pdp, pages, scim, signals, drainMs }),
    it => it.close(),
  )
  health.become('serving')
  return {
    url: issuer,
    address: edge.address,
    adminUrl: health.url,
    store,
    bootstrapCode: api.bootstrapCode,
    onCall: calls.add,
    onMail: listener => mail.outbox?.onMail(listener),
    close() {
      health.become('stopping')
      return opened.close()
    },
  }
}

/** The database that this node has always worked with, and the evidence of what was done. */
async function openEvidence(
  config: Config,
  { log, now, opened }: { log: Logger; now(): number; opened: Opened },
): Promise<{ store: Store; audit: Audit }> {
  const { databaseUrl, dataDirectory, masterKey } = config
  const isMemory = databaseUrl === 'sqlite::memory:'
  if (!isMemory) await openDataDirectory(dataDirectory)
  const store = opened.add(await openStore({ url: databaseUrl, masterKey, now }), it => it.close())
  if (!isMemory) await requireSameDatabase(dataDirectory, store.instanceId)
  const audit = await openAudit({
    store,
    path: isMemory ? ':memory:' : join(dataDirectory, 'audit', 'evidence.db'),
    origin: `${config.issuer.replace(/^https?:\/\//, '')}/log`,
    witnesses: config.auditWitnesses,
    now,
    onError: fault => log.error({ err: fault }, 'changes wait to be moved into the evidence'),
  })
  return { store, audit: opened.add(audit, it => it.close()) }
}

/** The evidence as enforcement points ship to it; what is new in it is told on. */
function watched(audit: Audit, tell: (records: readonly AttemptRecord[]) => Promise<void>): RecordSink {
  return {
    async ingest(point, epoch, shipments) {
      const stored = await audit.ingest(point, epoch, shipments)
      const records = shipments.flatMap(shipment => shipment.records.map(({ record }) => record))
      // A batch whose answer was lost comes again whole.
      if (stored.accepted > 0) await tell(records.filter(record => record.type === 'attempt'))
      return stored
    },
  }
}

function createCallWatch(store: Store, onFault: (fault: unknown) => void) {
  const listeners = new Set<CallListener>()
  const nameOf = createServerNames(store)
  return {
    add: (listener: CallListener) => void listeners.add(listener),
    /** Never fails: the records are stored, whoever watches. */
    async tell(records: readonly AttemptRecord[]): Promise<void> {
      try {
        for (const record of records) {
          const server = await nameOf(record.server)
          for (const listener of listeners) listener(record, server)
        }
      } catch (fault) {
        onFault(fault)
      }
    },
  }
}

/** What is open, and has to be closed: the last first. One that fails to does not keep the others open. */
interface Opened {
  add<T>(thing: T, close: (thing: T) => Promise<void>): T
  close(): Promise<void>
}

function createOpened(onFault: (fault: unknown) => void): Opened {
  const closers: (() => Promise<void>)[] = []
  return {
    add(thing, close) {
      closers.unshift(() => close(thing))
      return thing
    },
    async close() {
      for (const close of closers.splice(0)) await close().catch(onFault)
    },
  }
}
