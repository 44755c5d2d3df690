import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import Database from 'better-sqlite3'
import { type CryptoKey, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { serve, settings } from '../child.ts'

/** What a token endpoint cannot do without: node:http, jose, one read of a database on disk. */
const { path, id, secret, publicJwk, resource } = settings<{
  path: string
  id: string
  secret: string
  publicJwk: JWK
  resource: string
}>()
const database = new Database(path)
database.pragma('journal_mode = WAL')
database.exec(
  'create table client (id text primary key, secret_hash text, public_jwk text, agent text, organization text, scope text)',
)
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')
database
  .prepare('insert into client values (?, ?, ?, ?, ?, ?)')
  .run(id, sha256(secret), JSON.stringify(publicJwk), 'agt_1', 'org_1', 'invoices:read')
const find = database.prepare('select * from client where id = ?')
const { privateKey } = await generateKeyPair('ES256')
const keys = new Map<string, CryptoKey>()

interface Client {
  id: string
  secret_hash: string
  public_jwk: string
  agent: string
  organization: string
  scope: string
}

async function answer(request: IncomingMessage, issuer: string): Promise<object | undefined> {
  let text = ''
  for await (const chunk of request) text += chunk
  const form = new URLSearchParams(text)
  const assertion = form.get('client_assertion')
  const client = assertion
    ? await byAssertion(assertion, issuer)
    : bySecret(request.headers.authorization ?? '')
  if (!client || form.get('grant_type') !== 'client_credentials') return undefined
  const token = await new SignJWT({
    client_id: client.id,
    scope: client.scope,
    org: client.organization,
    agent: client.agent,
    cred: 'crd_1',
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
    .setIssuer(issuer)
    .setSubject(client.agent)
    .setAudience(form.get('resource') ?? resource)
    .setIssuedAt()
    .setExpirationTime('15m')
    .setJti(crypto.randomUUID())
    .sign(privateKey)
  return { access_token: token, token_type: 'Bearer', expires_in: 900, scope: client.scope }
}

function bySecret(authorization: string): Client | undefined {
  const [name = '', given = ''] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
  const client = find.get(name) as Client | undefined
  return client && timingSafeEqual(Buffer.from(client.secret_hash), Buffer.from(sha256(given)))
    ? client
    : undefined
}

async function byAssertion(assertion: string, issuer: string): Promise<Client | undefined> {
  const claimed = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string
  }
  const client = find.get(claimed.sub) as Client | undefined
  if (!client) return undefined
  const key =
    keys.get(client.public_jwk) ?? ((await importJWK(JSON.parse(client.public_jwk), 'ES256')) as CryptoKey)
  keys.set(client.public_jwk, key)
  await jwtVerify(assertion, key, { audience: issuer, issuer: client.id, subject: client.id })
  return client
}

const server = createServer(async (request, response) => {
  const issuer = `http://${request.headers.host}`
  const body = JSON.stringify((await answer(request, issuer)) ?? { error: 'invalid_client' })
  response
    .writeHead(body.includes('"error"') ? 401 : 200, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'content-length': Buffer.byteLength(body),
    })
    .end(body)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  serve(typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '')
})
