import { X509Certificate } from 'node:crypto'
import { AppError, isoTime } from '@valetkey/sdk/core'
import { quote } from '../reference.ts'
import type { OidcSettings, SamlSettings } from './provider-row.ts'

/** Settings as they are kept: every address safe to go to, every certificate one that can be trusted today. */
export function checkOidc(settings: OidcSettings): OidcSettings {
  checkAddress(settings.issuer, 'oidc.issuer')
  const { search, hash } = new URL(settings.issuer)
  if (search || hash) throw invalid('oidc.issuer', 'An issuer has neither query nor fragment.')
  return { ...settings, scopes: [...new Set(['openid', ...settings.scopes])] }
}

export function checkSaml(settings: SamlSettings, now: number): SamlSettings {
  checkAddress(settings.ssoUrl, 'saml.ssoUrl')
  if (settings.logoutUrl !== null) checkAddress(settings.logoutUrl, 'saml.logoutUrl')
  const certificates = settings.certificates.map((text, index) =>
    readCertificate(text, now, `saml.certificates.${index}`),
  )
  return { ...settings, certificates: [...new Set(certificates)] }
}

/** Codes, secrets and people travel there: in clear only within one machine. */
export function checkAddress(address: string, path: string): void {
  const { protocol, hostname, username, password } = new URL(address)
  if (username || password) throw invalid(path, 'An address here carries no user name or password.')
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  if (protocol !== 'https:' && !isLoopback) throw invalid(path, `${quote(address)} is not https.`)
}

/** A certificate as PEM; its base64 alone is taken too, as metadata have it. */
function readCertificate(text: string, now: number, path: string): string {
  if (text.includes('PRIVATE KEY'))
    throw invalid(path, 'This holds a private key. Send the certificate only, and treat this key as leaked.')
  const body = text.replace(/-----(BEGIN|END) CERTIFICATE-----/g, '').replace(/\s+/g, '')
  const lines = body.match(/.{1,64}/g) ?? []
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
  const certificate = parse(pem, path)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey
  if (type !== 'rsa' && type !== 'ec')
    throw invalid(path, 'The key of the certificate is neither RSA nor EC.')
  if (type === 'rsa' && (details?.modulusLength ?? 0) < 2048)
    throw invalid(path, 'The RSA key of the certificate has less than 2048 bits.')
  if (certificate.validToDate.getTime() <= now)
    throw invalid(path, `The certificate ended on ${isoTime(certificate.validToDate.getTime())}.`)
  return pem
}

function parse(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw invalid(path, 'This is not a certificate. Send one as PEM.', cause)
  }
}

function invalid(path: string, sentence: string, cause?: unknown): AppError {
  return new AppError('request.invalid', sentence, { path, cause })
}
