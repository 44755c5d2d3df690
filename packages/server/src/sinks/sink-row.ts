import { isoTime } from '@valetkey/sdk/core'
import type { Selectable } from 'kysely'
import type { OutputOf } from '../directory/index.ts'
import type { Database, Db, Store } from '../store/index.ts'
import type { Takes } from './format/index.ts'
import type { SinkSettings } from './transport/index.ts'

export type SinkRow = Selectable<Database['sink']>
type Shown = OutputOf<'sinks', 'get'>

/** Of a sink of the environment. */
export const ENVIRONMENT = ''

interface Secrets {
  headers: Record<string, string>
  signingSecret: string | null
}

function place({ id }: Pick<SinkRow, 'id'>): string {
  return `sink:${id}`
}

export function sealSecrets(store: Store, row: Pick<SinkRow, 'id'>, secrets: Secrets): string {
  return store.secrets.seal(JSON.stringify(secrets), place(row))
}

export function openSecrets(store: Store, row: SinkRow): Secrets {
  if (row.sealedSecrets === null) return { headers: {}, signingSecret: null }
  // What `sealSecrets` wrote.
  return JSON.parse(store.secrets.open(row.sealedSecrets, place(row))) as Secrets
}

/** What a transport is made of. */
export function settingsOf(store: Store, row: SinkRow): SinkSettings {
  const { kind, url, format, authority } = row
  return { kind, url, format, authority, ...openSecrets(store, row) }
}

export function takesOf({ takes }: Pick<SinkRow, 'takes'>): Takes[] {
  return JSON.parse(takes) as Takes[]
}

/** The log that a sink reads; undefined for all of them. */
export function logOf({ organizationId }: Pick<SinkRow, 'organizationId'>): string | undefined {
  return organizationId === ENVIRONMENT ? undefined : organizationId
}

export function readSinks(db: Db): Promise<SinkRow[]> {
  return db.selectFrom('sink').selectAll().orderBy('id').execute()
}

export function toSink(row: SinkRow, backlog: number): Shown {
  return {
    id: row.id,
    organization: row.organizationId === ENVIRONMENT ? null : row.organizationId,
    ...{ name: row.name, kind: row.kind, url: row.url, authority: row.authority, status: row.status },
    format: row.format as Shown['format'],
    takes: takesOf(row),
    headerNames: JSON.parse(row.headerNames) as string[],
    ...{ backlog, sent: row.sent, lastSentAt: row.lastSentAt },
    ...{ failingSince: row.failingSince, lastError: row.lastError },
    retryAt: row.failingSince === null ? null : isoTime(row.retryAt),
    ...{ createdAt: row.createdAt, createdBy: row.createdBy },
  }
}
