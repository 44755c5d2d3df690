import * as z from 'zod'
import { ActionKind, AttemptRecord, Carrier, isId, Mode, Revision, Risk, Verdict } from '../core/index.ts'

/** The shapes that operations take and give back. */

const Time = z.iso.datetime()
/** Things may be named by id or by name, so no name may look like an id. */
const isNoId = (name: string) => !isId(name)
const NO_ID = 'This has the form of an id. Choose a name that no id can have.'
/** A name that people type: letters, digits, `-`, `_` and `.`; no look-alikes, no control characters. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'Use 1 to 64 letters, digits, "-", "_" or ".", beginning with a letter or digit.',
  )
  .refine(isNoId, NO_ID)
export const Slug = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}$/,
    'Use 1 to 64 small letters, digits, "-", "_" or ".", beginning with a letter.',
  )
  .refine(isNoId, NO_ID)
/** Names something that exists, by id or by name. */
export const Ref = z.string().min(1).max(400)
export const PermissionSlug = z
  .string()
  .regex(/^[a-z][a-z0-9._-]{0,63}:[a-z][a-z0-9._-]{0,63}$/, 'Write a permission as "invoices:read".')
/** A permission, or all of a family as `invoices:*`. */
export const Scope = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}:([a-z][a-z0-9._-]{0,63}|\*)$/,
    'Write a scope as "invoices:read" or "invoices:*".',
  )
/** Words for people: any script, but nothing that moves the cursor, hides, or turns the reading direction around. */
const words = (max: number) =>
  z
    .string()
    .max(max)
    .regex(
      /^[^\p{Cc}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]*$/u,
      'Leave out control characters and invisible characters.',
    )
const Text = words(500)
/** What a thing is called in lists and records. */
export const Label = words(200)
export const Title = Label.min(1)

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional(),
})
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable() })

export const Organization = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  status: z.enum(['active', 'frozen']),
  revision: z.number().int(),
  createdAt: Time,
})
export const Person = z.object({
  id: z.string(),
  organization: z.string(),
  /** Empty where the organization calls the person otherwise. */
  email: z.string(),
  externalId: z.string(),
  name: z.string(),
  status: z.enum(['active', 'suspended', 'retired']),
  createdAt: Time,
})
export const Agent = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  owner: z.string(),
  ownerEmail: z.string(),
  purpose: z.string(),
  kind: z.enum(['autonomous', 'user_authorized', 'both']),
  status: z.enum(['active', 'suspended', 'retired', 'pending']),
  ceiling: z.array(z.string()),
  createdAt: Time,
})
/** A public key as a JWK (RFC 7517). A private member is refused: the key stays with the agent. */
export const PublicJwk = z
  .looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']), crv: z.string().optional(), alg: z.string().optional() })
  .refine(jwk => !['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].some(member => member in jwk), {
    message: 'This is a private key. Send the public part only, and treat this key as leaked.',
  })
export const Credential = z.object({
  id: z.string(),
  agent: z.string(),
  clientId: z.string(),
  /** `public` proves nothing: it stands for a client that cannot keep a secret. */
  kind: z.enum(['secret', 'key', 'public']),
  label: z.string(),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable(),
  lastUsedFrom: z.string().nullable(),
  status: z.enum(['live', 'expired', 'revoked']),
})
export const McpServer = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  mode: Mode,
  status: z.enum(['active', 'frozen']),
  hasUpstreamCredential: z.boolean(),
  createdAt: Time,
})
/** The key by which guards and gateways of one MCP server introduce themselves. */
export const ServerKey = z.object({
  id: z.string(),
  server: z.string(),
  label: z.string(),
  createdAt: Time,
  createdBy: z.string(),
  lastUsedAt: Time.nullable(),
  status: z.enum(['live', 'revoked']),
})
/** A condition in CEL. */
export const Condition = z.string().min(1).max(4096)
export const ToolRule = z.object({
  kind: ActionKind.default('tool'),
  name: z.string().min(1).max(1024),
  permission: PermissionSlug,
  definition: z
    .string()
    .regex(/^sha256-[A-Za-z0-9_-]{43}$/, 'Write the hash of the definition as "sha256-…".')
    .nullable()
    .default(null),
  inputSchema: z.record(z.string(), z.json()).nullable().default(null),
  resource: z.string().max(1024).nullable().default(null),
  condition: z.string().max(4096).nullable().default(null),
  risk: Risk.default('dangerous'),
  mode: Mode.nullable().default(null),
})
export const Tool = ToolRule.extend({
  id: z.string(),
  server: z.string(),
  /** Whether the server's own definition, as last seen, is the approved one. */
  drift: z.enum(['none', 'changed', 'unseen']),
})
/** A definition as an enforcement point or a scan last saw it in a server's `tools/list`. */
export const SeenDefinition = z.object({
  kind: ActionKind,
  name: z.string(),
  definition: z.string().nullable(),
  description: z.string().nullable(),
  inputSchema: z.record(z.string(), z.json()).nullable(),
  annotations: z.record(z.string(), z.json()).nullable(),
  seenAt: Time,
})
export const ResourceType = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  parents: z.array(z.string()),
  /** Ids of an `open` type are not registered: any id names one, below the resource that it is named under. */
  instances: z.enum(['registered', 'open']),
})
/** What an app calls a resource of its own: anything but control and invisible characters, up to 256 of them. */
export const ExternalId = words(256).min(1)
/** A resource by type and id, as `invoice/INV-1`; `/` and `%` inside an id are written as `%2F` and `%25`. */
export const ResourceRef = z
  .string()
  .min(3)
  .max(1024)
  .regex(/^[^/]+\/[^/]+$/, 'Write a resource as type and id, as "invoice/INV-1".')
/** A principal by id, or as `user:ada@northwind.test`, `agent:support-bot`, `group:finance`, `service:billing`. */
export const PrincipalRef = z.string().min(1).max(400)
export const Resource = z.object({
  type: z.string(),
  id: z.string(),
  name: z.string(),
  organization: z.string(),
  parent: z.string().nullable(),
  /** From below the organization down to it, as `customer/acme/invoice/INV-1`. */
  path: z.string(),
})
export const NewResource = z.object({
  type: Slug,
  id: ExternalId,
  /** Where it is left out, a resource that is there already keeps the one it has. */
  name: Label.optional(),
  /** The organization where none is named. */
  parent: ResourceRef.optional(),
})
export const Group = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  title: z.string(),
  createdAt: Time,
})
export const Member = z.object({
  group: z.string(),
  principal: z.string(),
  kind: z.enum(['user', 'agent', 'service', 'group']),
  name: z.string(),
})
export const Service = Group.extend({ status: z.enum(['active', 'suspended', 'retired']) })
export const Grant = z.object({
  id: z.string(),
  organization: z.string(),
  agent: z.string(),
  agentName: z.string(),
  person: z.string(),
  personEmail: z.string(),
  scopes: z.array(z.string()),
  resources: z.array(z.string()),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  status: z.enum(['live', 'expired', 'revoked']),
})
/** Names a revision, as every write and every question about access answers it. */
export const RevisionRef = z.string().startsWith('rev_').max(200)
export const Consistency = z.union([z.enum(['strong', 'local']), RevisionRef]).default('strong')
/** By which role on which resource somebody holds a permission. */
export const Via = z.object({
  assignment: z.string(),
  role: z.string(),
  /** Type and id of the resource that the role was given on. */
  on: z.string(),
  /** The group it was given to; null where to the principal itself. */
  group: z.string().nullable(),
  source: z.enum(['direct', 'group', 'idp', 'approval']),
  createdBy: z.string(),
  expiresAt: Time.nullable(),
})
export const Checked = z.object({
  allowed: z.boolean(),
  /** `permitted`, or what is missing: `principal_unknown`, `resource_unknown`, `suspended`, `permission_missing`. */
  reason: z.string(),
  via: z.array(Via),
  /** Of the facts that were decided on; a later question can ask for at least this one. */
  revision: z.string(),
})
export const Reached = z.object({ resource: z.string(), path: z.string(), via: Via, direct: z.boolean() })
/** What one role gives on a resource and below, where no other gives it further up. */
export const Reach = z.object({
  via: Via,
  /** With the condition that decides single resources, where there is one. */
  permissions: z.array(z.object({ slug: z.string(), condition: z.string().nullable() })),
})
export const Holder = z.object({
  principal: z.string(),
  kind: z.enum(['user', 'agent', 'service', 'group']),
  name: z.string(),
  via: Via,
  direct: z.boolean(),
})
export const Filter = z.object({
  /** The whole organization: no condition is needed. */
  all: z.boolean(),
  /** None of them lies below another. */
  roots: z.array(z.object({ type: z.string(), id: z.string() })),
})
export const AccessExplanation = Checked.extend({
  sentence: z.string(),
  /** From the resource up to the organization. */
  path: z.array(z.string()),
  /** Roles that the principal has on the way up and that lack the permission. */
  near: z.array(Via),
  /** The smallest roles that would allow it, nearest resource first, with what else each would give. */
  wouldAllow: z.array(z.object({ role: z.string(), on: z.string(), alsoGives: z.array(z.string()) })),
})
export const Comparison = z.object({
  checks: z.array(z.object({ before: z.boolean(), after: z.boolean() })),
  principals: z.array(
    z.object({
      principal: z.string(),
      gained: z.array(z.object({ permission: z.string(), on: z.string() })),
      lost: z.array(z.object({ permission: z.string(), on: z.string() })),
    }),
  ),
})
export const Permission = z.object({
  id: z.string(),
  slug: z.string(),
  type: z.string(),
  label: z.string(),
  risk: Risk,
  condition: z.string().nullable(),
})
export const Role = z.object({
  id: z.string(),
  /** The organization whose own role this is; null where it is there for all. */
  organization: z.string().nullable(),
  slug: z.string(),
  name: z.string(),
  type: z.string(),
  permissions: z.array(z.string()),
})
export const Assignment = z.object({
  id: z.string(),
  organization: z.string(),
  principal: z.string(),
  principalName: z.string(),
  /** The role's slug. */
  role: z.string(),
  /** Type and name: `organization/northwind`. */
  resource: z.string(),
  source: z.enum(['direct', 'group', 'idp', 'approval']),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
})
export const EnforcementPoint = z.object({
  id: z.string(),
  server: z.string(),
  kind: z.enum(['guard', 'gateway']),
  epoch: z.number().int(),
  version: z.string(),
  live: z.boolean(),
  lastSeenAt: Time,
  leaseUntil: Time.nullable(),
  records: z.number().int(),
  gaps: z.number().int(),
})
export const ApiToken = z.object({
  id: z.string(),
  name: z.string(),
  permissions: z.array(z.string()),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable(),
})
/** Which enforcement points confirmed a change, and how long that took. */
export const Barrier = z.object({
  revision: z.number().int(),
  organization: z.string(),
  complete: z.boolean(),
  elapsedMs: z.number(),
  points: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      outcome: z.enum(['confirmed', 'lease_ended', 'waiting']),
      ms: z.number(),
    }),
  ),
})
export const Revocation = z.object({
  kind: z.enum(['token', 'credential', 'agent']),
  id: z.string(),
  organization: z.string(),
  revision: z.number().int(),
  barrier: Barrier.nullable(),
})
export const Explanation = z.object({
  id: z.string(),
  decision: Verdict,
  reason: z.string(),
  sentence: z.string(),
  mode: Mode,
  permission: z.string().nullable(),
  resource: z.string().nullable(),
  assignments: z.array(Carrier),
  revision: Revision,
  legs: z.array(
    z.object({
      leg: z.string(),
      result: z.enum(['passed', 'failed', 'not_reached']),
      detail: z.string().nullable(),
    }),
  ),
})
/** A recorded call: the attempt, and the outcome where one followed. */
export const RecordedCall = AttemptRecord.extend({
  point: z.string(),
  receivedAt: Time,
  outcome: z.string().nullable(),
  durationMs: z.number().nullable(),
})
/** A recorded change: who did what to what. */
export const RecordedChange = z.object({
  id: z.string(),
  at: Time,
  organization: z.string().nullable(),
  type: z.string(),
  actor: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.json()),
})
export const CallQuery = Page.extend({
  organization: z.string().optional(),
  agent: z.string().optional(),
  person: z.string().optional(),
  owner: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  /** A resource path: it and all below it. */
  resource: z.string().optional(),
  verdict: z.enum(['permit', 'deny', 'needs_approval']).optional(),
  reason: z.string().optional(),
  since: Time.optional(),
  until: Time.optional(),
})
export const WhoRow = z.object({
  agent: z.string().nullable(),
  agentName: z.string().nullable(),
  owner: z.string().nullable(),
  person: z.string().nullable(),
  authorizedBy: z.array(z.string()),
  grant: z.string().nullable(),
  via: z.array(z.string()),
  permitted: z.number().int(),
  refused: z.number().int(),
  first: Time,
  last: Time,
})
export const OrganizationRef = z.object({ organization: z.string() })
export { Text, Time }
