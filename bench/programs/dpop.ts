import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto'
import { admit, type Inbound, openPoint } from '@valetkey/sdk/guard'
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose'
import { serve, settings } from '../child.ts'
import { cpuMicros } from '../measure.ts'
import type { callFor } from '../product.ts'
import { TOOLS } from './invoices.ts'

/** CPU microseconds of one call each: by a bearer token, by a bound one, by one whose key is new; of one verification. */
export interface DpopRound {
  bearer: number
  bound: number
  fresh: number
  verify: number
}

interface Holder {
  privateKey: KeyObject
  publicKey: KeyObject
  jwk: JWK
  jkt: string
}

const CALLS = 400

const { call, resource, ...options } = settings<{
  url: string
  serverKey: string
  directory: string
  resource: string
  call: ReturnType<typeof callFor>
}>()
const running = await openPoint({ ...options, directory: `${options.directory}/point`, kind: 'guard' })
const token = (call.headers['authorization'] ?? '').slice('Bearer '.length)
const ath = createHash('sha256').update(token).digest('base64url')
const own = await newHolder()
/** The key that the token is taken to be bound to: which one the authority would have written into it. */
let boundTo: string | null = null
const point: typeof running.point = {
  ...running.point,
  // What is recorded is the same either way.
  spool: { append: () => Promise.resolve(), note: () => undefined },
  async checkToken(text) {
    const checked = await running.point.checkToken(text)
    return checked.ok ? { ...checked, jkt: boundTo } : checked
  },
}
point.seen.replace(TOOLS)
// Proofs that may be from before the start need a nonce, and this is about those that do not.
await new Promise(resolve => setTimeout(resolve, 12_000))

async function newHolder(): Promise<Holder> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = await exportJWK(publicKey)
  return { privateKey, publicKey, jwk, jkt: await calculateJwkThumbprint(jwk) }
}

/** A new proof for one call. */
function prove({ privateKey, jwk }: Holder): { proof: string; text: Buffer; signature: Buffer } {
  const claims = { jti: randomUUID(), htm: 'POST', htu: resource, iat: Math.floor(Date.now() / 1000), ath }
  const parts = [{ alg: 'ES256', typ: 'dpop+jwt', jwk }, claims]
  const text = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return { proof: `${text}.${signature.toString('base64url')}`, text: Buffer.from(text), signature }
}

async function admitOne(headers: Record<string, string>): Promise<void> {
  const inbound: Inbound = {
    ...{ httpMethod: 'POST', target: new URL(resource).pathname, body: call.body, isAsSent: true },
    header: name => headers[name],
  }
  const admission = await admit(point, inbound)
  if (admission.kind !== 'forward') throw new Error(admission.answer.body)
  admission.exchange.finish()
}

async function each(
  headers: readonly Record<string, string>[],
  jkts: readonly (string | null)[],
): Promise<number> {
  const micros = await cpuMicros(async () => {
    for (const [i, one] of headers.entries()) {
      boundTo = jkts[i % jkts.length] ?? null
      await admitOne(one)
    }
  })
  return micros / headers.length
}

const boundHeaders = (proof: string) => ({ ...call.headers, authorization: `DPoP ${token}`, dpop: proof })

serve(null, async (): Promise<DpopRound> => {
  const proofs = Array.from({ length: CALLS }, () => prove(own))
  const holders = await Promise.all(Array.from({ length: CALLS }, newHolder))
  const strangers = holders.map(prove)
  const bare = Array.from({ length: CALLS }, () => call.headers)
  const bearer = await each(bare, [null])
  const bound = await each(
    proofs.map(({ proof }) => boundHeaders(proof)),
    [own.jkt],
  )
  const fresh = await each(
    strangers.map(({ proof }) => boundHeaders(proof)),
    holders.map(({ jkt }) => jkt),
  )
  const verifying = await cpuMicros(async () => {
    for (const { text, signature } of proofs)
      if (!verify('sha256', text, { key: own.publicKey, dsaEncoding: 'ieee-p1363' }, signature))
        throw new Error('bad')
  })
  return { bearer, bound, fresh, verify: verifying / CALLS }
})
