import { webcrypto } from 'node:crypto'

const LIFE_MS = 10 * 365 * 24 * 60 * 60_000
const ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
}

/** A key that signs our requests to a SAML provider, and a certificate over it, which is how such providers take keys. */
export async function makeRequestKey(
  name: string,
  now: number,
): Promise<{ key: string; certificate: string }> {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair
  const { X509CertificateGenerator, PemConverter } = await import('@peculiar/x509')
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: new Date(now - 60 * 60_000),
    notAfter: new Date(now + LIFE_MS),
    signingAlgorithm: ALGORITHM,
    keys,
  })
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: PemConverter.encode(key, 'PRIVATE KEY'), certificate: certificate.toString('pem') }
}
