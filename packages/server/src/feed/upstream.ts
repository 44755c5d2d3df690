import { AppError, type UpstreamCredential } from '@valetkey/sdk/core'
import { CompactEncrypt, importJWK, type JWK } from 'jose'
import { upstreamPlace } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import type { Session } from './session.ts'

/** The credential that a gateway adds towards its server, readable by that gateway alone; null where none is stored. */
export async function sealUpstreamCredential(store: Store, session: Session): Promise<string | null> {
  if (session.kind !== 'gateway' || session.sealingJwk === null)
    throw new AppError('permission.denied', 'Only a gateway that registered a sealing key is given this.')
  const { upstreamHeader: header, upstreamSecret: sealed } = await store.db
    .selectFrom('server')
    .where('id', '=', session.server.id)
    .select(['upstreamHeader', 'upstreamSecret'])
    .executeTakeFirstOrThrow()
  if (header === null || sealed === null) return null
  const value = store.secrets.open(sealed, upstreamPlace(session.server.id))
  const credential: UpstreamCredential = { header, value }
  const key = await importJWK(JSON.parse(session.sealingJwk) as JWK, 'ECDH-ES')
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(credential)))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
    .encrypt(key)
}
