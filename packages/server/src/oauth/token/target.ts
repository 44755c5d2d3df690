import { CATALOGUE } from '@valetkey/sdk/core'
import type { Store } from '../../store/index.ts'

/** An MCP server as a token can name it: its registered URL becomes the one audience. */
export interface Target {
  readonly server: string
  readonly audience: string
  readonly active: boolean
  /** The permissions that the server's rules need; more than these no token for it carries. */
  readonly scopes: readonly string[]
}

/** Finds the server that a resource indicator names, as of a catalogue revision that was read in this request. */
export type TargetLookup = (resource: string, catalogueRevision: string) => Promise<Target | undefined>

/** Keeps what it has read until the catalogue's revision moves, so that an answer is never older than the question. */
export function createTargetLookup(store: Store): TargetLookup {
  let revision: string | undefined
  let targets = new Map<string, Target>()
  return async (resource, catalogueRevision) => {
    const key = canonicalResource(resource)
    if (key === undefined) return undefined
    if (revision !== catalogueRevision) {
      targets = new Map()
      revision = catalogueRevision
    }
    const kept = targets
    const known = kept.get(key)
    if (known) return known
    const target = await readTarget(store, key)
    if (target) kept.set(key, target)
    return target
  }
}

/** The catalogue's revision at this moment, as `TargetLookup` takes it. */
export async function readCatalogueRevision(store: Store): Promise<string> {
  const { revision } = await store.db
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', CATALOGUE)
    .executeTakeFirstOrThrow()
  return String(revision)
}

async function readTarget(store: Store, key: string): Promise<Target | undefined> {
  const rows = await store.db
    .selectFrom('server')
    .leftJoin('tool', 'tool.serverId', 'server.id')
    .leftJoin('permission', join =>
      join.onRef('permission.id', '=', 'tool.permissionId').on('permission.retiredRevision', 'is', null),
    )
    .select(['server.id', 'server.url', 'server.status', 'permission.slug'])
    .distinct()
    .where('server.url', '=', key)
    .execute()
  const [first] = rows
  if (!first) return undefined
  return {
    server: first.id,
    audience: first.url,
    active: first.status === 'active',
    scopes: rows.flatMap(row => row.slug ?? []),
  }
}

/**
 * A resource indicator in the form in which servers are registered: scheme and host in lower case, no default port, no
 * path where that is `/`; any other path is compared as it is. Undefined for what is not an absolute http URL without fragment (RFC 8707 §2).
 */
export function canonicalResource(resource: string): string | undefined {
  const match = /^(https?):\/\/([^/?#@\\\s]+)((?:[/?][^#\s]*)?)$/i.exec(resource)
  if (!match) return undefined
  const origin = URL.parse(`${match[1]}://${match[2]}`)?.origin
  return origin && origin + (match[3] === '/' ? '' : match[3])
}
