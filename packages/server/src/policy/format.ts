import { shapes } from '@valetkey/sdk/contract'
import { Mode, Risk, RuleMode } from '@valetkey/sdk/core'
import * as z from 'zod'

/**
 * The policy format, version 1: what agents may do, as files that live in git. Every key is known or an error; a key
 * that is left out leaves what is there as it is. `docs/policy.md` describes it for people.
 */

const Label = z.string().max(200)
const Moment = z.union(
  [z.iso.datetime(), z.iso.date()],
  'Write a time as "2027-01-31T12:00:00Z", or a day as "2027-01-31".',
)

/** What one tool (resource, prompt, method) needs. */
export const Rule = z.strictObject({
  needs: shapes.PermissionSlug,
  /** Path of the resource that the arguments name, as `customer/{args.customer}`. */
  resource: z.string().min(1).max(1024).optional(),
  /** CEL over the arguments; the call is refused where it does not hold. */
  when: z.string().min(1).max(4096).optional(),
  risk: Risk.optional(),
  mode: RuleMode.optional(),
})
export type Rule = z.infer<typeof Rule>

export const ToolRule = Rule.extend({
  /** Hash of the definition that was approved. A tool without one is refused. */
  definition: z
    .string()
    .regex(/^sha256-[A-Za-z0-9_-]{43}$/, 'A definition is a hash as "valetkey server scan" prints it.')
    .optional(),
  /** The approved input schema; what it does not name is refused. */
  input: z.record(z.string(), z.json()).optional(),
})
export type ToolRule = z.infer<typeof ToolRule>

const named = <T extends z.ZodType>(rule: T) => z.record(z.string().min(1).max(1024), rule).default({})

export const ServerPolicy = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'Write the public URL, as "https://mcp.example.com/billing".' })
    .optional(),
  mode: Mode.optional(),
  /** When the mode `observe` ends; once that has passed, the line may stay and everything is enforced. */
  observeUntil: Moment.optional(),
  /** The other servers that it may call for those who call it. */
  forwards: z.array(shapes.Name).max(200).optional(),
  tools: named(ToolRule),
  resources: named(Rule),
  prompts: named(Rule),
  methods: named(Rule),
})
export type ServerPolicy = z.infer<typeof ServerPolicy>

/** How people sign in; what it leaves out stays. */
const SignInWords = z.strictObject({
  methods: z.array(shapes.SignInMethod).min(1).max(5).optional(),
  secondFactor: shapes.SecondFactor.optional(),
  sessionMinutes: shapes.SessionMinutes.optional(),
})

export const PersonPolicy = z.strictObject({ name: z.string().min(1).max(200) })

export const ResourceTypePolicy = z.strictObject({
  name: Label.optional(),
  parents: z.array(shapes.Slug).min(1).max(20).optional(),
  /** `open`: ids are not registered, any id names one. */
  instances: z.enum(['registered', 'open']).optional(),
})

export const PermissionPolicy = z.strictObject({
  type: shapes.Slug.optional(),
  label: Label.optional(),
  risk: Risk.optional(),
  /** CEL over subject, resource, action and context; where it does not hold, nobody has the permission. */
  condition: shapes.Condition.nullable().optional(),
})

export const RolePolicy = z.strictObject({
  name: Label.optional(),
  type: shapes.Slug.optional(),
  /** A role of the policy's organization alone. */
  organization: z.boolean().optional(),
  permissions: z.array(shapes.PermissionSlug).max(500),
})

export const AgentPolicy = z.strictObject({
  owner: z.string().min(1).max(320),
  kind: z.enum(['autonomous', 'user_authorized', 'both']).optional(),
  purpose: z.string().max(500).optional(),
  ceiling: z.array(shapes.Scope).max(200).optional(),
  /** Its tokens must be bound to a key that it proves to hold. */
  dpop: z.boolean().optional(),
  roles: z.array(shapes.Slug).max(100).optional(),
})
export type AgentPolicy = z.infer<typeof AgentPolicy>

export const ResourcePolicy = z.strictObject({
  name: shapes.Label.optional(),
  parent: shapes.ResourceRef.optional(),
})

export const GroupPolicy = z.strictObject({
  title: shapes.Label.optional(),
  members: z.array(shapes.PrincipalRef).max(1000).optional(),
})

export const ServiceWords = z.strictObject({ title: shapes.Label.optional() })

/** Who has which role, on what, until when. */
export const AssignmentPolicy = z.strictObject({
  to: shapes.PrincipalRef,
  role: shapes.Slug,
  on: shapes.ResourceRef.optional(),
  until: Moment.optional(),
})
export type AssignmentPolicy = z.infer<typeof AssignmentPolicy>

/** Who may delegate to whom, each side as `agent:NAME`, `role:SLUG` or `organization`. */
export const DelegationPolicy = z.strictObject({
  from: shapes.DelegationSide,
  to: shapes.DelegationSide,
  /** The most that may be handed on; all that the delegator may, where it is left out. */
  scopes: z.array(shapes.Scope).max(200).optional(),
  /** What the delegate may hold although the delegator does not: known, and accepted. */
  beyond: z.array(shapes.Scope).max(200).optional(),
})
export type DelegationPolicy = z.infer<typeof DelegationPolicy>

/** Where people may sign in beside here, and what its groups are here. Its secret is set apart, never in a file. */
export const IdentityProviderPolicy = z.strictObject({
  title: shapes.Label.optional(),
  oidc: shapes.OidcSettings.optional(),
  saml: shapes.SamlSettings.optional(),
  provisions: z.boolean().optional(),
  revokesOnLogout: z.boolean().optional(),
  roles: z
    .array(
      z.strictObject({
        group: shapes.Label.min(1),
        role: shapes.Slug,
        on: shapes.ResourceRef.optional(),
      }),
    )
    .max(500)
    .optional(),
  /** Claimed for it; each counts once it is proved. */
  domains: z.array(shapes.DomainName).max(100).optional(),
})
export type IdentityProviderPolicy = z.infer<typeof IdentityProviderPolicy>

/** Whose signed word counts, about programs that are agents (`workload`) or about people (`enterprise`). */
const IssuerPolicy = z.strictObject({
  kind: shapes.IssuerKind,
  issuer: shapes.IssuerName,
  ...shapes.IssuerTerms,
})

const MOST_RESOURCES = 1_000
/** A section whose entries may be left empty, as in `customer/acme:`. */
const orEmpty = <T extends z.ZodObject>(entry: T) =>
  entry.nullable().transform(value => value ?? entry.parse({}))

export const Policy = z.strictObject({
  version: z.literal(1, 'This is not a version that can be read here. Write "version: 1".'),
  /**
   * Whose sign-in, people, agents, services, groups, resources, assignments, delegations and own roles these are, by slug; the other sections
   * concern every organization.
   */
  organization: shapes.Slug.optional(),
  signIn: SignInWords.optional(),
  people: z.record(z.email().max(320), PersonPolicy).default({}),
  resourceTypes: z
    .record(
      shapes.Slug,
      ResourceTypePolicy.nullable().transform(type => type ?? {}),
    )
    .default({}),
  permissions: z
    .record(
      shapes.PermissionSlug,
      PermissionPolicy.nullable().transform(permission => permission ?? {}),
    )
    .default({}),
  roles: z.record(shapes.Slug, RolePolicy).default({}),
  servers: z.record(shapes.Name, ServerPolicy).default({}),
  agents: z.record(shapes.Name, AgentPolicy).default({}),
  services: z.record(shapes.Name, orEmpty(ServiceWords)).default({}),
  groups: z.record(shapes.Name, orEmpty(GroupPolicy)).default({}),
  resources: z
    .record(shapes.ResourceRef, orEmpty(ResourcePolicy))
    .refine(
      resources => Object.keys(resources).length <= MOST_RESOURCES,
      `A policy names ${MOST_RESOURCES} resources at most. Register more with "valetkey resource import".`,
    )
    .default({}),
  assignments: z.array(AssignmentPolicy).max(5_000).default([]),
  delegations: z.array(DelegationPolicy).max(1_000).default([]),
  identityProviders: z.record(shapes.Slug, IdentityProviderPolicy).default({}),
  issuers: z.record(shapes.Slug, IssuerPolicy).default({}),
})
export type Policy = z.infer<typeof Policy>

/** The four maps of a server, and what kind of action each maps. */
export const MAPS = { tools: 'tool', resources: 'resource', prompts: 'prompt', methods: 'method' } as const
export type MapName = keyof typeof MAPS
