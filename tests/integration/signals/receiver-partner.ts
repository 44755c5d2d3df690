import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'

/** What a receiver was told, as it stands in a verified token. */
export interface Told {
  jti: string
  iss: string
  aud: string
  iat: number
  txn?: string
  sub_id: Record<string, unknown>
  events: Record<string, Record<string, unknown>>
}

export type ReceiverPartner = Awaited<ReturnType<typeof openReceiverPartner>>

/** A receiver of security events on loopback that verifies each of them, and answers as the test says. */
export async function openReceiverPartner() {
  const told: Told[] = []
  const headers: Record<string, unknown>[] = []
  let answer: () => { status: number; body?: string } = () => ({ status: 202 })
  let keys: JWTVerifyGetKey | undefined
  let audience = ''
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      headers.push(request.headers)
      void take(body).then(
        ({ status, body: text = '' }) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(text),
        () => response.destroy(),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))

  async function take(body: string) {
    const said = answer()
    if (said.status === 202) told.push(await read(body))
    return said
  }

  async function read(token: string): Promise<Told> {
    if (!keys) throw new Error('Whom is it told by?')
    const options = { audience, algorithms: ['RS256'], typ: 'secevent+jwt' }
    const { payload } = await jwtVerify(token, keys, options)
    return payload as unknown as Told
  }
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was pushed and verified. */
    told,
    headers,
    read,
    /** Whose events are taken, by the transmitter's own metadata. */
    async trust(issuer: string, whom: string) {
      const response = await fetch(`${issuer}/.well-known/ssf-configuration`)
      const { jwks_uri } = (await response.json()) as { jwks_uri: string }
      keys = createRemoteJWKSet(new URL(jwks_uri))
      audience = whom
    },
    /** Whose events are taken, where the keys are at hand. */
    know(set: JSONWebKeySet, whom: string) {
      keys = createLocalJWKSet(set)
      audience = whom
    },
    say(next: typeof answer) {
      answer = next
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
