import { join } from 'node:path'
import { shapes } from '@valetkey/sdk/contract'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Child, startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { basicOf, type Product, startProduct } from './product.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 9
const CALLERS = 16
const CALLS = 1_500

/** Who asks: by its secret, or by a key, with a fresh assertion for each request. */
interface Asker {
  targets(count: number): Promise<{ bare: Target; authority: Target }>
}

interface Micros {
  bare: number[]
  authority: number[]
}

/** What a token costs the authority, beside a bare handler that signs the same and reads the database once. */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = shapes.PublicJwk.parse(await exportJWK(publicKey))
  const { clientId } = await product.api.credentials.create({
    agent: 'bot',
    publicKey: publicJwk,
    label: 'key',
  })
  const [load, bare] = await Promise.all([
    startChild('load'),
    startChild<string>('token-bare', {
      ...{ path: join(product.directory, 'bare.db'), resource: product.resource, publicJwk },
      ...product.client,
    }),
  ])
  try {
    const secret = await measure(product, load, bare, askBySecret(product, bare.ready))
    const key = await measure(product, load, bare, askByKey(product, bare.ready, clientId, privateKey))
    return {
      figures: { secret_cpu_ratio: ratio(secret), key_cpu_ratio: ratio(key) },
      stages: {
        secret_bare_us: median(secret.bare),
        secret_us: median(secret.authority),
        key_bare_us: median(key.bare),
        key_us: median(key.authority),
        includes:
          'the record that the token was issued, durable; by key, the durable note that the assertion was used',
      },
    }
  } finally {
    await Promise.all([load.stop(), bare.stop(), upstream.stop()])
    await product.close()
  }
}

function ratio({ bare, authority }: Micros): number {
  return median(authority.map((micros, i) => micros / (bare[i] ?? Number.NaN)))
}

async function measure(
  { authority }: Product,
  load: Child<null>,
  bare: Child<string>,
  asker: Asker,
): Promise<Micros> {
  const micros: Micros = { bare: [], authority: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    const targets = await asker.targets(CALLS)
    for (const [name, child] of [
      ['bare', bare],
      ['authority', authority],
    ] as const) {
      const order: Order = { kind: 'closed', target: targets[name], callers: CALLERS, calls: CALLS }
      const before = await child.cpuMicros()
      await load.ask(order)
      // The first round warms up.
      if (round > 0) micros[name].push(((await child.cpuMicros()) - before) / CALLS)
    }
  }
  return micros
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

function askBySecret({ authority, client, resource }: Product, bareUrl: string): Asker {
  const body = String(new URLSearchParams({ grant_type: 'client_credentials', resource }))
  const target = (issuer: string): Target => ({
    url: `${issuer}/token`,
    headers: { ...FORM, authorization: basicOf(client) },
    bodies: [body],
  })
  return { targets: async () => ({ bare: target(bareUrl), authority: target(authority.ready.url) }) }
}

function askByKey(
  { authority, client, resource }: Product,
  bareUrl: string,
  clientId: string,
  key: CryptoKey,
): Asker {
  const target = async (issuer: string, id: string, count: number): Promise<Target> => ({
    url: `${issuer}/token`,
    headers: FORM,
    bodies: await Promise.all(
      Array.from({ length: count }, async () =>
        String(
          new URLSearchParams({
            grant_type: 'client_credentials',
            resource,
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: await assertion(issuer, id, key),
          }),
        ),
      ),
    ),
  })
  return {
    targets: async count => ({
      bare: await target(bareUrl, client.id, count),
      authority: await target(authority.ready.url, clientId, count),
    }),
  }
}

function assertion(audience: string, id: string, key: CryptoKey): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('60s')
    .setJti(crypto.randomUUID())
    .sign(key)
}
