import type { Store } from '../../store/index.ts'
import { isDocumentId } from './document.ts'
import type { ClientDocuments } from './documents.ts'
import { findRegistration, type Registration } from './registration.ts'

/** Finds what a client has said of itself, here or in a document at the address that is its id. */
export type FindRegistration = (
  id: string,
  /** Told why there is none. */
  refused?: (reason: string) => void,
) => Promise<Registration | undefined>

/** `documents` is undefined where no client is known by a document. */
export function createFindRegistration(
  store: Store,
  documents: ClientDocuments | undefined,
  now: () => number,
): FindRegistration {
  return async (id, refused = () => undefined) => {
    if (!isDocumentId(id)) return findRegistration(store, id, now())
    const found = documents ? await documents.find(id) : { ok: false as const, reason: 'documents_off' }
    if (!found.ok) {
      refused(found.reason)
      return undefined
    }
    const { name, uri, redirectUris, mustPush, proof } = found.document
    const { document } = found
    const isConfidential = proof !== undefined
    return {
      clientId: id,
      kind: 'metadata-document',
      name,
      uri,
      redirectUris,
      mustPush,
      isConfidential,
      document,
    }
  }
}
