import { CATALOGUE } from '@valetkey/sdk/core'
import { prepareQuery, type Store } from '../../store/index.ts'
import type { CallerCredential } from '../client/caller.ts'

/** A receiver of security events, as a client: it gets tokens for its own stream, and for nothing else. */
export interface ReceiverClient {
  readonly clientId: string
  readonly organization: string
  readonly credential: CallerCredential
  readonly catalogueRevision: string
}

const findRow = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('signalReceiver')
    .innerJoin('organization as home', 'home.id', 'signalReceiver.organizationId')
    .innerJoin('organization as catalogue', join => join.on('catalogue.id', '=', CATALOGUE))
    .select([
      'signalReceiver.organizationId',
      'signalReceiver.credentialId',
      'signalReceiver.secretHash',
      'catalogue.revision as catalogueRevision',
    ])
    .where('signalReceiver.id', '=', id)
    .where('home.status', '!=', 'retired'),
)

/**
 * Finds a receiver, as the database says at this moment. One whose organization is frozen still comes in: that it is frozen
 * is among what it has to be told.
 */
export async function findReceiver(store: Store, id: string): Promise<ReceiverClient | undefined> {
  const [row] = await findRow(store.db, { id })
  if (!row) return undefined
  const { organizationId: organization, credentialId, secretHash, catalogueRevision } = row
  const secret = { kind: 'secret' as const, secretHash, publicJwk: null, expiresAt: null }
  return {
    ...{ clientId: id, organization, credential: { id: credentialId, ...secret } },
    catalogueRevision: String(catalogueRevision),
  }
}
