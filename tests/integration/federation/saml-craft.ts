import { inflateRawSync } from 'node:zlib'
import { PemConverter, X509CertificateGenerator } from '@peculiar/x509'
import samlp from 'samlp'

export interface SigningKey {
  key: string
  certificate: string
}

const ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
}

/** A key of a SAML provider with its certificate, good from an hour ago for so many minutes. */
export async function makeKey(minutes = 60 * 24 * 365): Promise<SigningKey> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=partner',
    notBefore: new Date(Date.now() - 60 * 60_000),
    notAfter: new Date(Date.now() + minutes * 60_000),
    signingAlgorithm: ALGORITHM,
    keys,
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: PemConverter.encode(pkcs8, 'PRIVATE KEY'), certificate: certificate.toString('pem') }
}

/** What a response is to say. */
export interface Claimed {
  issuer: string
  audience: string
  recipient?: string
  destination?: string
  inResponseTo?: string | undefined
  nameId?: string
  nameIdFormat?: string
  attributes?: Record<string, string | string[]>
  lifetimeInSeconds?: number
  signAssertion?: boolean
  signResponse?: boolean
  signatureAlgorithm?: string
  digestAlgorithm?: string
  sessionIndex?: string
  context?: string
}

export const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'

/** A response as a real provider makes it (samlp), with whatever a test wants to be wrong with it. */
export function craft({ key, certificate }: SigningKey, claimed: Claimed): Promise<string> {
  const { nameId = 'maya-1', nameIdFormat = PERSISTENT, attributes = {}, context, ...rest } = claimed
  const options: samlp.ResponseOptions = {
    ...{ signatureAlgorithm: 'rsa-sha256', digestAlgorithm: 'sha256', lifetimeInSeconds: 300, ...rest },
    ...{ key, cert: certificate },
    ...(context !== undefined && { authnContextClassRef: context }),
    profileMapper: () => ({
      getClaims: () => attributes,
      getNameIdentifier: () => ({ nameIdentifier: nameId, nameIdentifierFormat: nameIdFormat }),
    }),
  }
  return new Promise((resolve, reject) => {
    samlp.getSamlResponse(options, {}, (error, xml) => (error ? reject(error) : resolve(xml)))
  })
}

/** The parts of a response: what is around the assertion, the assertion, its signature, and it without. */
export function partsOf(xml: string) {
  const assertion = /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml)?.[0] ?? ''
  const signature = /<Signature[\s\S]*?<\/Signature>/.exec(assertion)?.[0] ?? ''
  const around = (inner: string) => xml.replace(assertion, () => inner)
  return { assertion, signature, bare: assertion.replace(signature, ''), around }
}

/** The id of the request that an address carries. */
export function requestIn(url: string): { id: string; xml: string } {
  const deflated = Buffer.from(new URL(url).searchParams.get('SAMLRequest') ?? '', 'base64')
  const xml = inflateRawSync(deflated).toString('utf8')
  return { id: / ID="([^"]+)"/.exec(xml)?.[1] ?? '', xml }
}
