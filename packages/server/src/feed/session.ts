import { AppError } from '@valetkey/sdk/core'
import { type Db, hashSecret, prepareQuery } from '../store/index.ts'

/** One start of an enforcement point, as its session token shows. */
export interface Session {
  point: string
  epoch: number
  kind: 'guard' | 'gateway'
  /** SHA-256 of the session token; another start has another one. */
  hash: string
  /** The point's own key, and the one that upstream credentials are encrypted to; as JSON. */
  publicJwk: string
  sealingJwk: string | null
  server: { id: string; name: string; url: string }
}

/** Where it is noted that a session was that of an earlier start. */
export function fencedId(sessionHash: string): string {
  return `feed:fenced:${sessionHash}`
}

const findSession = prepareQuery((db, { hash }: { hash: string }) =>
  liveSessions(db).where('enforcementPoint.sessionHash', '=', hash),
)

/** Who a session token belongs to, while its server key is not revoked. `point.fenced` for an earlier start. */
export async function requireSession(db: Db, authorization: string | undefined): Promise<Session> {
  const hash = hashSecret(bearerOf(authorization))
  const [row] = await findSession(db, { hash })
  if (row) {
    const { id, epoch, kind, publicJwk, sealingJwk, serverId, name, url } = row
    return { point: id, epoch, kind, hash, publicJwk, sealingJwk, server: { id: serverId, name, url } }
  }
  const fenced = await db
    .selectFrom('replay')
    .where('id', '=', fencedId(hash))
    .select('id')
    .executeTakeFirst()
  if (fenced) throw fencedError()
  throw new AppError('auth.invalid', 'The session is unknown, or its server key was revoked.')
}

/** Those of these sessions that are still what their points go by. */
export async function findLiveSessions(db: Db, hashes: readonly string[]): Promise<Set<string>> {
  if (hashes.length === 0) return new Set()
  const rows = await liveSessions(db).where('enforcementPoint.sessionHash', 'in', hashes).execute()
  return new Set(rows.map(row => row.sessionHash))
}

function liveSessions(db: Db) {
  return db
    .selectFrom('enforcementPoint')
    .innerJoin('serverKey', 'serverKey.id', 'enforcementPoint.serverKeyId')
    .innerJoin('server', 'server.id', 'enforcementPoint.serverId')
    .where('serverKey.revokedAt', 'is', null)
    .select([
      'enforcementPoint.id',
      'enforcementPoint.epoch',
      'enforcementPoint.kind',
      'enforcementPoint.sessionHash',
      'enforcementPoint.publicJwk',
      'enforcementPoint.sealingJwk',
      'server.id as serverId',
      'server.name',
      'server.url',
    ])
}

export function fencedError(): AppError {
  return new AppError('point.fenced', 'A newer start of this enforcement point has taken its place.')
}

export function bearerOf(authorization: string | undefined): string {
  const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{16,500})$/i.exec(authorization ?? '') ?? []
  if (token === undefined) throw new AppError('auth.required', 'The request carries no bearer credential.')
  return token
}
