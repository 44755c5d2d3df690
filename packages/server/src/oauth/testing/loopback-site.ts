import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

/** For localhost and every name below `site.test`; good for a hundred years, and trusted by this process alone. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIB3TCCAYSgAwIBAgIUWbyUouNPIOJrkrJJgg0MUJAfA1YwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSbG9vcGJhY2sgZm9yIHRlc3RzMCAXDTI2MTEyODA5NTQ1N1oY
DzIxMjYxMTA0MDk1NDU3WjAdMRswGQYDVQQDDBJsb29wYmFjayBmb3IgdGVzdHMw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT12KLd5FZgMzeiT3X4aMt1CNlpxOJV
T7XP+8ZpbiLwr/dnNR40SM5zEN8ye3aVwv89LD2h2S2sKGDucd70nMkWo4GfMIGc
MB0GA1UdDgQWBBTb0aIL/DGtOwaxTBWyka2vBSLNDTAfBgNVHSMEGDAWgBTb0aIL
/DGtOwaxTBWyka2vBSLNDTA5BgNVHREEMjAwgglsb2NhbGhvc3SCCyouc2l0ZS50
ZXN0hwR/AAABhxAAAAAAAAAAAAAAAAAAAAABMA8GA1UdEwEB/wQFMAMBAf8wDgYD
VR0PAQH/BAQDAgKEMAoGCCqGSM49BAMCA0cAMEQCICml2UK7ELLAa0nGlFNeLvyl
HogIscMC6KDQR6lMHibqAiAITkJklGfWb3kavIg7uhe91nuIQvZ+ywfX6BpY2mjT
bA==
-----END CERTIFICATE-----
`
/** Opens nothing: whoever serves by it is trusted by tests alone. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPcwxnHHIxPQZsrxN
XU1NHT1aozUWLSHTzAQujwyHOhChRANCAAT12KLd5FZgMzeiT3X4aMt1CNlpxOJV
T7XP+8ZpbiLwr/dnNR40SM5zEN8ye3aVwv89LD2h2S2sKGDucd70nMkW
-----END PRIVATE KEY-----
`

/** A site on https on this machine, by a certificate that this process trusts from now on. */
export async function startSite(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  setDefaultCACertificates([...getCACertificates('default'), CERTIFICATE])
  const paths: string[] = []
  const hosts: string[] = []
  const https = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    paths.push(request.url ?? '')
    hosts.push(request.headers.host ?? '')
    answer(request, response)
  })
  await new Promise<void>(resolve => https.listen(0, '127.0.0.1', resolve))
  const { port } = https.address() as AddressInfo
  return {
    port,
    host: `localhost:${port}`,
    url: `https://localhost:${port}`,
    /** What was asked for so far. */
    paths,
    hosts,
    async [Symbol.asyncDispose]() {
      https.closeAllConnections()
      await new Promise<void>(resolve => https.close(() => resolve()))
    },
  }
}

export type Site = Awaited<ReturnType<typeof startSite>>

export function sendJson(
  response: ServerResponse,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}
