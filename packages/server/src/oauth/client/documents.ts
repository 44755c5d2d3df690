import type { JWK } from 'jose'
import { createFailureLimit } from '../failure-limit.ts'
import { type ClientDocument, isDocumentId, parseJson, readClientDocument, readKeys } from './document.ts'
import { createKept } from './kept.ts'
import type { Fetched, OutboundFetch } from './outbound-fetch.ts'

/** A client that is described by a document, as it stands now, or why it cannot be taken; for the record. */
export type FoundDocument = { ok: true; document: ClientDocument } | { ok: false; reason: string }

/** Clients that describe themselves, each in a document at the address that is its id. */
export interface ClientDocuments {
  find(id: string): Promise<FoundDocument>
  /** The public keys that it proves itself by; none where they cannot be had. */
  keysOf(document: ClientDocument): Promise<readonly JWK[]>
}

export interface ClientDocumentOptions {
  /** Hosts whose documents are taken; all where it is empty. */
  hosts: readonly string[]
  /** Hosts, with their port, that may lie on this machine or in this network. */
  privateHosts: readonly string[]
}

export function createClientDocuments({
  fetch,
  hosts,
  now,
}: Pick<ClientDocumentOptions, 'hosts'> & { fetch: OutboundFetch; now(): number }): ClientDocuments {
  const documents = createKept<ClientDocument>(now)
  const keySets = createKept<JWK[]>(now)
  // Whoever makes us ask in vain is made to wait: by address and by host.
  const limit = createFailureLimit(now)

  async function fetchFrom(url: string): Promise<Fetched | { ok: false; reason: string }> {
    const { host } = new URL(url)
    if (hosts.length > 0 && !hosts.some(allowed => covers(allowed, host)))
      return { ok: false, reason: 'host' }
    if (limit.waitSeconds(url, host) > 0) return { ok: false, reason: 'rate_limited' }
    const fetched = await fetch(url)
    if (!fetched.ok) limit.failed(url, host)
    return fetched
  }
  return {
    async find(id) {
      if (!isDocumentId(id)) return { ok: false, reason: 'document_url' }
      const found = await documents.get(id, async () => {
        const fetched = await fetchFrom(id)
        if (!fetched.ok) return { ok: false, reason: `document_${fetched.reason}` }
        const value = await readClientDocument(id, fetched.body)
        const { maxAgeSeconds } = fetched
        return value ? { ok: true, value, maxAgeSeconds } : { ok: false, reason: 'document_invalid' }
      })
      return found.ok ? { ok: true, document: found.value } : found
    },
    async keysOf({ proof }) {
      if (proof === undefined) return []
      if ('keys' in proof) return proof.keys
      const found = await keySets.get(proof.keysUri, async () => {
        const fetched = await fetchFrom(proof.keysUri)
        const value = fetched.ok ? await readKeys(parseJson(fetched.body)) : undefined
        if (!fetched.ok || !value) return { ok: false, reason: 'keys' }
        return { ok: true, value, maxAgeSeconds: fetched.maxAgeSeconds }
      })
      return found.ok ? found.value : []
    },
  }
}

/** `*.example.com` covers every host below, `example.com` that one. */
function covers(allowed: string, host: string): boolean {
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed
}
