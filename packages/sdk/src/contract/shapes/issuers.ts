import * as z from 'zod'
import { Ref, Slug, Time } from './words.ts'

const Address = z.url({ protocol: /^https$/, error: 'Write an https address.' }).max(1024)

/** Whose word counts: an https address, or a trust domain as `spiffe://northwind.dev`. */
export const IssuerName = z
  .string()
  .max(1024)
  .regex(
    /^(https:\/\/[^\s?#]+|spiffe:\/\/[a-z0-9._-]+)$/,
    'Write an issuer as https://…, or as spiffe://TRUST-DOMAIN.',
  )

/** Public keys as a JWK set. */
export const KeySet = z.object({ keys: z.array(z.record(z.string(), z.json())).min(1).max(50) })

/** What a claim has to be: the whole of it, or how it begins, with `*` at the end. */
const ClaimPattern = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[^*]+\*?$/, 'A pattern is what the claim says, or how it begins with one * at the end.')

/** What tells no workload of an issuer from another: whose word it is, for whom, and when. */
const SAID_BY_ALL = ['iss', 'aud', 'exp', 'nbf', 'iat']

/** Claims by name; the names of claims within claims are joined by slashes, as `kubernetes.io/namespace`. */
const ClaimRules = z
  .record(z.string().min(1).max(256), ClaimPattern)
  .refine(
    claims => Object.keys(claims).length >= 1 && Object.keys(claims).length <= 20,
    'A rule names between one and twenty claims.',
  )
  .refine(
    claims => Object.keys(claims).some(name => !SAID_BY_ALL.includes(name)),
    'Tokens of everybody at this issuer say that: name a claim that is the workload’s own, as sub.',
  )

/** A workload whose token says all of this is that agent. */
export const IssuerRule = z.strictObject({ agent: Ref, claims: ClaimRules })

export const IssuerKind = z.enum(['enterprise', 'workload'])

/** Somebody elsewhere whose signed word an organization takes. */
export const TrustedIssuer = z.object({
  id: z.string(),
  organization: z.string(),
  name: Slug,
  /** `enterprise` says which person an agent acts for (ID-JAG), `workload` which program is which agent. */
  kind: IssuerKind,
  issuer: IssuerName,
  /** Where its keys are; null where they were given, or are found by its metadata. */
  jwksUri: z.string().nullable(),
  jwks: KeySet.nullable(),
  /** A token may come more than once, until it ends. */
  reusable: z.boolean(),
  /** Takes people by their email address where nobody is linked. */
  byEmail: z.boolean(),
  /** The tenant that it has to name, where it has several. */
  tenant: z.string().nullable(),
  rules: z.array(
    z.object({
      agent: z.string(),
      agentName: z.string(),
      claims: z.record(z.string(), z.string()),
      /** What a token that comes by it is issued under; taken back like any other. */
      credential: z.string(),
    }),
  ),
  createdAt: Time,
  createdBy: z.string(),
})

/** What of an issuer can be said and changed. */
export const IssuerTerms = {
  jwksUri: Address.nullable().optional(),
  jwks: KeySet.nullable().optional(),
  reusable: z.boolean().optional(),
  byEmail: z.boolean().optional(),
  tenant: z.string().min(1).max(256).nullable().optional(),
  rules: z.array(IssuerRule).max(200).optional(),
}
