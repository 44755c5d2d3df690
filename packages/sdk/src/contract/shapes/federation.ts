import * as z from 'zod'
import { Label, Ref, ResourceRef, Slug, Time } from './words.ts'

const Address = z.url({ protocol: /^https?$/, error: 'Write an http(s) address.' }).max(2048)
const ClaimName = z.string().min(1).max(256)
/** A name of a domain as its owner writes it; how it is kept is the server's business. */
export const DomainName = z.string().min(3).max(253)

/** An OpenID provider, and which of its claims say what. */
export const OidcSettings = z.strictObject({
  issuer: Address,
  clientId: z.string().min(1).max(512),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'This is not a scope.'))
    .max(50)
    .default(['openid', 'email', 'profile']),
  emailClaim: ClaimName.default('email'),
  nameClaim: ClaimName.default('name'),
  /** Null: groups are not taken from sign-ins. */
  groupsClaim: ClaimName.nullable().default(null),
  /** Takes addresses that the provider does not say it has verified: only where it knows no others. */
  takesUnverifiedEmail: z.boolean().default(false),
})
/** A SAML 2.0 identity provider, and which of its attributes say what. */
export const SamlSettings = z.strictObject({
  entityId: z.string().min(1).max(1024),
  ssoUrl: Address,
  /** Where people are signed out; null where the provider offers that not. */
  logoutUrl: Address.nullable().default(null),
  /** As PEM, several at a time, so that a new one can be trusted before the old one goes. */
  certificates: z.array(z.string().min(64).max(16_384)).min(1).max(10),
  signsRequests: z.boolean().default(false),
  /** Null: the NameID is the address. */
  emailAttribute: ClaimName.nullable().default('email'),
  nameAttribute: ClaimName.default('name'),
  groupsAttribute: ClaimName.nullable().default(null),
  /** What stays the same for good where the NameID does not; null: the NameID. */
  subjectAttribute: ClaimName.nullable().default(null),
  /** Takes responses that nobody here asked for: whoever can make a browser send one signs it in. */
  takesUnsolicited: z.boolean().default(false),
})
/** Whom a group of the provider makes what, and where: on the whole organization unless a resource is named. */
export const GroupRole = z.strictObject({
  group: Label.min(1),
  role: Ref,
  resource: ResourceRef.optional(),
})
/** By what an organization's people may be known beside their accounts here. */
export const IdentityProvider = z.object({
  id: z.string(),
  organization: z.string(),
  name: Slug,
  title: z.string(),
  kind: z.enum(['oidc', 'saml']),
  status: z.enum(['active', 'disabled']),
  oidc: OidcSettings.nullable(),
  saml: SamlSettings.nullable(),
  hasSecret: z.boolean(),
  /** By which the provider knows our signed requests, as PEM; SAML only. */
  requestCertificate: z.string().nullable(),
  /** Makes a person of whoever signs in first. */
  provisions: z.boolean(),
  /** A sign-out at the provider takes back what was consented to, too. */
  revokesOnLogout: z.boolean(),
  roles: z.array(z.object({ group: z.string(), role: z.string(), resource: z.string() })),
  /** What the provider has to be told of us: paths below the issuer. */
  paths: z.record(z.string(), z.string()),
  createdAt: Time,
  createdBy: z.string(),
})
/** Who a subject of a provider is here. */
export const IdentityLink = z.object({
  id: z.string(),
  organization: z.string(),
  provider: z.string(),
  subject: z.string(),
  person: z.string(),
  personName: z.string(),
  groups: z.array(z.string()),
  createdAt: Time,
  lastUsedAt: Time,
})
/** A domain that an organization says is its own. */
export const Domain = z.object({
  domain: z.string(),
  organization: z.string(),
  /** The provider that speaks for its addresses, and that people with one are led to. */
  provider: z.string().nullable(),
  status: z.enum(['claimed', 'verified']),
  verifiedBy: z.enum(['dns', 'trust']).nullable(),
  verifiedAt: Time.nullable(),
  /** The TXT record that proves it. */
  record: z.object({ name: z.string(), value: z.string() }),
  createdAt: Time,
  createdBy: z.string(),
})
/** By which a directory elsewhere provisions people and groups (SCIM). */
export const ScimToken = z.object({
  id: z.string(),
  organization: z.string(),
  /** The identity provider whose group-to-role mapping counts for groups that come with it. */
  provider: z.string().nullable(),
  name: z.string(),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable(),
  status: z.enum(['live', 'expired', 'revoked']),
})
