import { randomBytes } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { type Profile, SAML, type SamlConfig, ValidateInResponseTo } from '@node-saml/node-saml'
import { type ProviderRow, type SamlSettings, samlSettings } from '../../directory/index.ts'
import { html } from '../pages/html.ts'
import { FederationError, type Said, textOf, textsOf } from './said.ts'
import { type ParsedAssertion, readAssertion } from './saml-assertion.ts'
import { readResponse, refuseStrangeLogout, trustedToday } from './saml-document.ts'

/** What we are to a provider. */
export interface SamlSelf {
  /** Our entity id, which is where our metadata are. */
  entityId: string
  acs: string
  logout: string
  /** Signs our requests. */
  key: string
}

/** How far clocks may differ. */
export const SKEW_MS = 60_000
/** What a response begins with that nobody asked for has no such thing. */
export type Asked = string | undefined

function saml(row: ProviderRow, self: SamlSelf, now: number, more: Partial<SamlConfig> = {}): SAML {
  const settings = samlSettings(row)
  return new SAML({
    ...{ issuer: self.entityId, audience: self.entityId, callbackUrl: self.acs },
    ...{ idpCert: trustedToday(settings.certificates, now), idpIssuer: settings.entityId },
    ...{ entryPoint: settings.ssoUrl, logoutUrl: settings.logoutUrl ?? settings.ssoUrl },
    // The assertion itself is signed, whatever else is: what is believed is read from those bytes alone.
    ...{ wantAssertionsSigned: true, wantAuthnResponseSigned: false },
    ...{ signatureAlgorithm: 'sha256', digestAlgorithm: 'sha256' },
    ...{ identifierFormat: null, disableRequestedAuthnContext: true, acceptedClockSkewMs: SKEW_MS },
    // Held against the browser that asked, which the library cannot know.
    validateInResponseTo: ValidateInResponseTo.never,
    ...more,
  })
}

/** Where a browser goes to sign in, and the id by which the answer will name the request. */
export async function beginSaml(
  row: ProviderRow,
  self: SamlSelf,
  { isFresh, now }: { isFresh: boolean; now: number },
): Promise<{ url: string; id: string }> {
  const id = `_${randomBytes(20).toString('hex')}`
  const { signsRequests } = samlSettings(row)
  const library = saml(row, self, now, {
    generateUniqueId: () => id,
    forceAuthn: isFresh,
    ...(signsRequests && { privateKey: self.key }),
  })
  return { url: await library.getAuthorizeUrlAsync('', undefined, {}), id }
}

/** What a response says that was verified, for whoever asked with the id that it answers. */
export interface SamlAnswer {
  said: Said
  asked: Asked
  /** Names the assertion, which is good once. */
  assertionId: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** Verifies a response, and reads it from the bytes that were signed. */
export async function readSamlResponse(
  row: ProviderRow,
  self: SamlSelf,
  { response, now }: { response: string; now: number },
): Promise<SamlAnswer> {
  const settings = samlSettings(row)
  const { xml, envelope } = readResponse(response)
  if (envelope.issuer !== undefined && envelope.issuer !== settings.entityId)
    throw new FederationError('saml_issuer')
  if (envelope.destination !== undefined && envelope.destination !== self.acs)
    throw new FederationError('saml_destination')
  const profile = await verify(saml(row, self, now), xml)
  const assertion = readAssertion(profile.getAssertion?.(), {
    ...{ issuer: settings.entityId, recipient: self.acs, audience: self.entityId },
    ...{ now, skewMs: SKEW_MS },
  })
  if (envelope.inResponseTo !== assertion.inResponseTo) throw new FederationError('saml_in_response_to')
  return {
    said: toSaid(settings, profile, assertion),
    asked: assertion.inResponseTo,
    assertionId: assertion.id,
    expiresAt: assertion.expiresAt + SKEW_MS,
  }
}

async function verify(library: SAML, xml: string): Promise<Profile> {
  try {
    const SAMLResponse = Buffer.from(xml).toString('base64')
    const { profile } = await library.validatePostResponseAsync({ SAMLResponse })
    if (!profile) throw new FederationError('saml_no_assertion')
    return profile
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw new FederationError('saml_not_verified', cause)
  }
}

function toSaid(settings: SamlSettings, profile: Profile, assertion: ParsedAssertion): Said {
  const { nameId, attributes } = assertion
  const one = (name: string | null) => (name === null ? undefined : textOf(attributes.get(name)))
  return {
    assertion: {
      subject: subjectOf(settings, assertion),
      email: settings.emailAttribute === null ? nameId.value : one(settings.emailAttribute),
      // It is the organization's own provider, and it signs for every attribute alike.
      isEmailVerified: true,
      name: one(settings.nameAttribute),
      groups:
        settings.groupsAttribute === null ? [] : textsOf(attributes.get(settings.groupsAttribute) ?? []),
    },
    secondFactor: MULTI_FACTOR.has(assertion.context),
    authenticatedAt: assertion.authenticatedAt,
    signOutName: nameKey(nameId),
    sid: assertion.sessionIndex ?? null,
    logout: JSON.stringify({
      nameID: nameId.value,
      nameIDFormat: nameId.format,
      nameQualifier: profile.nameQualifier,
      spNameQualifier: profile.spNameQualifier,
      sessionIndex: assertion.sessionIndex,
    }),
  }
}

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient'
/** What providers call a sign-in by two different things. */
const MULTI_FACTOR = new Set([
  'http://schemas.microsoft.com/claims/multipleauthn',
  'https://refeds.org/profile/mfa',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered',
])

/** What names a person for good: the NameID with its format, or the attribute that the settings name. */
function subjectOf({ subjectAttribute }: SamlSettings, { nameId, attributes }: ParsedAssertion): string {
  if (subjectAttribute !== null) {
    const value = textOf(attributes.get(subjectAttribute))
    if (!value) throw new FederationError('saml_subject_missing')
    return `attribute:${value}`
  }
  if (nameId.format === TRANSIENT) throw new FederationError('saml_subject_transient')
  return nameKey(nameId)
}

function nameKey({ value, format }: { value: string; format: string }): string {
  return `${format.replace(/^.*:/, '')}:${value}`
}

/** Where a browser goes to sign out at the provider as well; undefined where it offers that not. */
export async function samlLogoutUrl(
  row: ProviderRow,
  self: SamlSelf,
  { logout, now }: { logout: string; now: number },
): Promise<string | undefined> {
  if (samlSettings(row).logoutUrl === null) return undefined
  const library = saml(row, self, now, { privateKey: self.key })
  return library.getLogoutUrlAsync(JSON.parse(logout) as Profile, '', {})
}

const LOGOUT_FIELDS = ['SAMLRequest', 'RelayState', 'SigAlg', 'Signature']
const SIGNATURES = [
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
]
const MOST_LOGOUT_BYTES = 64 * 1024

/** A sign-out that a provider asks for, and where the browser goes with our answer. */
export interface SamlLogout {
  id: string
  subject: string
  sessionIndex: string | undefined
  answer(): Promise<string>
}

/** Verifies a signed logout request that came in an address (SAML bindings section 3.4). */
export async function readSamlLogout(
  row: ProviderRow,
  self: SamlSelf,
  { query, now }: { query: string; now: number },
): Promise<SamlLogout> {
  const fields = new URLSearchParams(query)
  const names = [...fields.keys()]
  if (new Set(names).size !== names.length || names.some(name => !LOGOUT_FIELDS.includes(name)))
    throw new FederationError('saml_logout_query')
  const container = Object.fromEntries(fields)
  const { SAMLRequest = '', SigAlg = '', Signature } = container
  // The library takes a message without a signature for a good one.
  if (!Signature || !SIGNATURES.includes(SigAlg)) throw new FederationError('saml_logout_unsigned')
  refuseStrangeLogout(inflate(SAMLRequest), { destination: self.logout, now, skewMs: SKEW_MS })
  const library = saml(row, self, now, { privateKey: self.key })
  try {
    const { profile } = await library.validateRedirectAsync(container, query)
    if (!profile?.ID) throw new FederationError('saml_logout_query')
    const nameId = { value: profile.nameID, format: profile.nameIDFormat ?? UNSPECIFIED }
    return {
      id: String(profile.ID),
      subject: nameKey(nameId),
      sessionIndex: profile.sessionIndex,
      answer: () => library.getLogoutResponseUrlAsync(profile, container['RelayState'] ?? '', {}, true),
    }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw new FederationError('saml_logout_not_verified', cause)
  }
}

export const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified'

function inflate(base64: string): string {
  try {
    const options = { maxOutputLength: MOST_LOGOUT_BYTES }
    return inflateRawSync(Buffer.from(base64, 'base64'), options).toString('utf8')
  } catch (cause) {
    throw new FederationError('saml_encoding', cause)
  }
}

/** Whether a provider may send somebody whom nobody here has asked it for. */
export function takesUnsolicited(row: ProviderRow): boolean {
  return samlSettings(row).takesUnsolicited
}

/** What a provider's administrators load to get to know us (SAML metadata section 2.4.4). */
export function samlMetadata(row: ProviderRow, self: SamlSelf): string {
  const { signsRequests } = samlSettings(row)
  const certificate = (row.certificate ?? '').replace(/-----[A-Z ]+-----|\s/g, '')
  return html`<?xml version="1.0" encoding="UTF-8"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${self.entityId}">
  <SPSSODescriptor AuthnRequestsSigned="${String(signsRequests)}" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
    <SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${self.logout}"/>
    <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>
    <AssertionConsumerService index="0" isDefault="true" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${self.acs}"/>
  </SPSSODescriptor>
</EntityDescriptor>
`.html
}
