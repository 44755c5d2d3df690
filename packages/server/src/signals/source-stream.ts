import * as z from 'zod'
import { checkAddress } from '../directory/index.ts'
import type { LimitedFetch } from '../outbound/index.ts'
import { eventUri } from './event.ts'
import { invalid, isOfOrigin, type TransmitterMetadata } from './source-client.ts'

const POLL = 'urn:ietf:rfc:8936'
const Stream = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string()).min(1)]),
  delivery: z.object({ method: z.string(), endpoint_url: z.url().optional() }),
})
type Stream = z.output<typeof Stream>

/** Where the events of a stream are fetched, and what they name as their audience. */
export interface FoundStream {
  pollUrl: string
  audience: string
}

/** The stream that a transmitter has for us, opened where there is none yet: what ends sessions, to be fetched (SSF 1.0 section 8.1.1). */
export async function findOrOpenStream(
  fetch: LimitedFetch,
  { issuer, configuration_endpoint: endpoint }: TransmitterMetadata,
  { token, description }: { token: string; description: string },
): Promise<FoundStream> {
  if (endpoint === undefined)
    throw invalid(`${issuer} lets nobody set up a stream. Name where it is polled: pollUrl.`)
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
  const existing = await call(fetch, endpoint, { headers })
  const [known] = z.union([z.array(Stream), Stream.transform(one => [one])]).parse(existing)
  const stream = known ?? (await open(fetch, endpoint, headers, description))
  const { iss, aud, delivery } = stream
  if (iss !== issuer) throw invalid(`The stream of ${issuer} speaks for ${iss}.`)
  const { method, endpoint_url: pollUrl } = delivery
  if (method !== POLL || pollUrl === undefined)
    throw invalid(`${issuer} pushes the events of the stream that it has for this client.`)
  // The token goes with each poll.
  if (!isOfOrigin(pollUrl, endpoint)) throw invalid(`${issuer} would be polled at another host, ${pollUrl}.`)
  checkAddress(pollUrl, 'issuer')
  return { pollUrl, audience: [aud].flat()[0] ?? '' }
}

async function open(
  fetch: LimitedFetch,
  endpoint: string,
  headers: Record<string, string>,
  description: string,
): Promise<Stream> {
  const wish = {
    delivery: { method: POLL },
    events_requested: [eventUri('session-revoked'), eventUri('credential-change')],
    description,
  }
  const init = { method: 'POST', body: JSON.stringify(wish) }
  const made = await call(fetch, endpoint, {
    ...init,
    headers: { ...headers, 'content-type': 'application/json' },
  })
  return Stream.parse(made)
}

async function call(fetch: LimitedFetch, endpoint: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(endpoint, init)
  if (!response.ok) throw invalid(`${endpoint} answers ${response.status} to this client.`)
  return response.json()
}
