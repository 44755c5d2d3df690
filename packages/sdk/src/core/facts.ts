import * as z from 'zod'

/**
 * The facts that decisions rest on, as they travel from the authority to every enforcement point. A snapshot is all
 * facts of one organization (or of the catalogue, organization number 0) at one revision; a change replaces or removes
 * single facts and carries the next revision. Nothing else is needed to decide.
 */

const Scope = z.string().min(1)
/** Refused until it is thawed. */
const Frozen = z.literal(true).optional()

/** `enforce` refuses what is denied; `audit` records "would deny" and lets the call pass. */
export const RuleMode = z.enum(['enforce', 'audit'])
export type RuleMode = z.infer<typeof RuleMode>

/** A server may also be observed for a while: who has no identity passes too, with its own credential, and is recorded. */
export const Mode = z.enum(['enforce', 'audit', 'observe'])
export type Mode = z.infer<typeof Mode>

/** How much harm a permission can do. Dangerous ones may be decided only on a replica that is at most a second old. */
export const Risk = z.enum(['read', 'write', 'dangerous'])
export type Risk = z.infer<typeof Risk>

/** What an MCP method acts on: `tools/call`, `resources/read`, `prompts/get`, or any other method by its name. */
export const ActionKind = z.enum(['tool', 'resource', 'prompt', 'method'])
export type ActionKind = z.infer<typeof ActionKind>

/** An MCP server: the protected resource, named by its public URL. */
export const ServerFact = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  mode: Mode,
  /** When the mode `observe` ends. */
  observeUntil: z.number().optional(),
  status: z.enum(['active', 'frozen', 'retired']),
})
export type ServerFact = z.infer<typeof ServerFact>

/** The mode that a server is in at this time: observation ends by itself, and everything is enforced from then on. */
export function modeAt({ mode, observeUntil }: ServerFact, now: number): Mode {
  return mode === 'observe' && (observeUntil === undefined || observeUntil <= now) ? 'enforce' : mode
}

/** The rule for one tool (or resource, prompt, method) of a server. What has no rule is refused. */
export const ToolFact = z.object({
  id: z.string(),
  server: z.string(),
  kind: ActionKind,
  /** The tool's name; a resource's URI, `*` at its end for all that begin so; a prompt's name; a method. */
  name: z.string(),
  permission: z.string(),
  /** SHA-256 of the definition that was approved; a tool without one is refused as changed. */
  definition: z.string().nullable(),
  inputSchema: z.record(z.string(), z.json()).nullable(),
  resource: z.string().nullable(),
  condition: z.string().nullable(),
  risk: Risk,
  mode: RuleMode.nullable(),
  frozen: Frozen,
})
export type ToolFact = z.infer<typeof ToolFact>

/**
 * A kind of resource. Instances of a type that is `open` are not registered: any id names one, and what may be done with
 * it is what may be done with the resource that it is named under.
 */
export const ResourceTypeFact = z.object({
  id: z.string(),
  slug: z.string(),
  /** Ids of the types that one of this type may lie directly below. */
  parents: z.array(z.string()),
  instances: z.enum(['registered', 'open']),
})
export type ResourceTypeFact = z.infer<typeof ResourceTypeFact>

export const PermissionFact = z.object({
  id: z.string(),
  slug: Scope,
  type: z.string(),
  /** Place in the bit set of its resource type; never used again. */
  bit: z.number().int().nonnegative(),
  risk: Risk,
  /** CEL over `subject`, `resource`, `action` and `context`; where it does not hold, nobody has the permission. */
  condition: z.string().nullable(),
})
export type PermissionFact = z.infer<typeof PermissionFact>

export const RoleFact = z.object({
  id: z.string(),
  slug: z.string(),
  type: z.string(),
  permissions: z.array(z.string()),
})
export type RoleFact = z.infer<typeof RoleFact>

export const OrganizationFact = z.object({
  id: z.string(),
  slug: z.string(),
  status: z.enum(['active', 'frozen', 'retired']),
})
export type OrganizationFact = z.infer<typeof OrganizationFact>

export const PrincipalFact = z.object({
  id: z.string(),
  seq: z.number().int(),
  kind: z.enum(['user', 'agent', 'service', 'group']),
  name: z.string(),
  status: z.enum(['active', 'suspended', 'retired', 'pending']),
})
export type PrincipalFact = z.infer<typeof PrincipalFact>

export const AgentFact = z.object({
  id: z.string(),
  principal: z.string(),
  owner: z.string(),
  kind: z.enum(['autonomous', 'user_authorized', 'both']),
  ceiling: z.array(Scope),
  /** Its tokens count only where they are bound to a key. */
  dpop: z.literal(true).optional(),
})
export type AgentFact = z.infer<typeof AgentFact>

export const CredentialFact = z.object({
  id: z.string(),
  agent: z.string(),
  expiresAt: z.number().nullable(),
  frozen: Frozen,
})
export type CredentialFact = z.infer<typeof CredentialFact>

export const AssignmentFact = z.object({
  id: z.string(),
  /** Dense numbers within the organization, never used again, so that a re-created name inherits nothing. */
  principal: z.number().int(),
  resource: z.number().int(),
  role: z.string(),
  source: z.enum(['direct', 'group', 'idp', 'approval']),
  expiresAt: z.number().nullable(),
  createdBy: z.string(),
})
export type AssignmentFact = z.infer<typeof AssignmentFact>

/** Number, external id and the parent's number; the organization's own resource has number 1 and no parent. */
export type ResourceRow = readonly [seq: number, externalId: string, parent: number | null]

/**
 * Resources of one type, parents before children. The fact's id is the first number. A row whose number is known
 * already renames or moves it. Removing the fact of a number removes that resource, everything below it and every
 * assignment there.
 */
export const ResourceFact = z.object({
  type: z.string(),
  rows: z.custom<readonly ResourceRow[]>(isResourceRows, 'Rows are [number, id, parent].'),
})
export type ResourceFact = z.infer<typeof ResourceFact>

/** By hand: there can be a million of them. */
function isResourceRows(rows: unknown): boolean {
  return (
    Array.isArray(rows) &&
    rows.every(
      row =>
        Array.isArray(row) &&
        row.length === 3 &&
        Number.isSafeInteger(row[0]) &&
        typeof row[1] === 'string' &&
        (row[2] === null || Number.isSafeInteger(row[2])),
    )
  )
}

/** A principal belongs to a group; both by their numbers. Groups may belong to groups. */
export const MemberFact = z.object({ group: z.number().int(), member: z.number().int() })
export type MemberFact = z.infer<typeof MemberFact>

/** What a person lets an agent do for them: an upper bound beside what both hold today. */
export const GrantFact = z.object({
  id: z.string(),
  agent: z.string(),
  person: z.string(),
  scopes: z.array(Scope),
  /** Numbers of the resources that it is limited to, each with all below it. */
  resources: z.array(z.number().int()),
  expiresAt: z.number().nullable(),
  frozen: Frozen,
  /** The one MCP server that it is for, where it is for one. */
  server: z.string().optional(),
  /** What it holds for a shorter time than the rest: until when, by permission. */
  elevated: z.record(z.string(), z.number()).optional(),
  /** The tools that it is limited to; all that the scopes allow where it names none. */
  tools: z.array(z.string()).optional(),
  /** The person lends the agent what it may do at all: who lets it do more also widens its ceiling and its roles. */
  lends: z.literal(true).optional(),
})
export type GrantFact = z.infer<typeof GrantFact>

/**
 * One agent lets another act within bounds: on what a person granted the first of them, or on what that one may itself.
 * What the delegate does counts only while this link and all before it are there.
 */
export const LinkFact = z.object({
  id: z.string(),
  from: z.string(),
  to: z.string(),
  /** The link that it continues, and the grant at the root of all; null where there is none. */
  parent: z.string().nullable(),
  grant: z.string().nullable(),
  /** By which the delegating agent proved itself: a credential that is taken back takes its delegations along. */
  credential: z.string(),
  scopes: z.array(Scope),
  /** Numbers of the resources that it is limited to, each with all below it. */
  resources: z.array(z.number().int()),
  /** CEL over the arguments of a call, as in the rule of a tool. */
  condition: z.string().nullable(),
  /** How many more links may follow this one. */
  hops: z.number().int().nonnegative(),
  expiresAt: z.number(),
  frozen: Frozen,
})
export type LinkFact = z.infer<typeof LinkFact>

/** A revoked token, by its `jti`, kept until it would have expired. */
export const RevokedTokenFact = z.object({ id: z.string(), expiresAt: z.number(), frozen: Frozen })
export type RevokedTokenFact = z.infer<typeof RevokedTokenFact>

/** The whole installation; while it is frozen, nobody does anything. */
export const EnvironmentFact = z.object({ status: z.enum(['active', 'frozen']) })
export type EnvironmentFact = z.infer<typeof EnvironmentFact>

/** A key that tokens of the authority may be signed with, by its `kid`. Without it no signature of its counts. */
export const SigningKeyFact = z.object({
  id: z.string(),
  alg: z.enum(['ES256', 'EdDSA']),
  publicJwk: z.record(z.string(), z.json()),
})
export type SigningKeyFact = z.infer<typeof SigningKeyFact>

/** A key by which an MCP server proves itself, as when it hands a call on. Without it nothing counts that the key got. */
export const ServerKeyFact = z.object({ id: z.string(), server: z.string() })
export type ServerKeyFact = z.infer<typeof ServerKeyFact>

/** One MCP server may call another for those who have called it; no fact while the one that calls is frozen or retired. */
export const ForwardFact = z.object({ from: z.string(), to: z.string() })
export type ForwardFact = z.infer<typeof ForwardFact>

/** By what id that fact goes. */
export function forwardId({ from, to }: ForwardFact): string {
  return `${from}.${to}`
}

const put = <K extends string, V extends z.ZodType>(fact: K, value: V) =>
  z.object({ fact: z.literal(fact), id: z.string(), value: value.nullable() })

/** One fact replaced (`value`) or removed (`null`). */
export const CatalogueOp = z.discriminatedUnion('fact', [
  put('server', ServerFact),
  put('tool', ToolFact),
  put('resource_type', ResourceTypeFact),
  put('permission', PermissionFact),
  put('role', RoleFact),
  put('signing_key', SigningKeyFact),
  put('forward', ForwardFact),
  put('server_key', ServerKeyFact),
  put('environment', EnvironmentFact),
])
export type CatalogueOp = z.infer<typeof CatalogueOp>

export const OrganizationOp = z.discriminatedUnion('fact', [
  put('organization', OrganizationFact),
  put('principal', PrincipalFact),
  put('agent', AgentFact),
  put('credential', CredentialFact),
  put('assignment', AssignmentFact),
  put('revoked_token', RevokedTokenFact),
  put('role', RoleFact),
  put('resource', ResourceFact),
  put('member', MemberFact),
  put('grant', GrantFact),
  put('link', LinkFact),
])
export type OrganizationOp = z.infer<typeof OrganizationOp>

/** The number of an organization's own resource, the root of its tree. */
export const ROOT_RESOURCE = 1
/** The resource type of that root, by id and slug. */
export const ROOT_TYPE = 'organization'

/** By what id the fact of the whole installation goes. */
export const ENVIRONMENT = 'environment'

/** The organization whose facts are the catalogue. */
export const CATALOGUE = 'catalogue'

export const CatalogueChange = z.object({
  organization: z.literal(CATALOGUE),
  revision: z.number().int(),
  ops: z.array(CatalogueOp),
})
export const OrganizationChange = z.object({
  organization: z.string().startsWith('org_'),
  revision: z.number().int(),
  ops: z.array(OrganizationOp),
})

/** All that one revision changed; applied whole or not at all. A snapshot is the change from nothing. */
export const Change = z.union([CatalogueChange, OrganizationChange])
export type CatalogueChange = z.infer<typeof CatalogueChange>
export type OrganizationChange = z.infer<typeof OrganizationChange>
export type Change = CatalogueChange | OrganizationChange

export function isCatalogueChange(change: Change): change is CatalogueChange {
  return change.organization === CATALOGUE
}
