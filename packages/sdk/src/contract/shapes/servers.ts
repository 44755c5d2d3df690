import * as z from 'zod'
import { ActionKind, Mode, Risk, RuleMode } from '../../core/index.ts'
import { PermissionSlug, Time } from './words.ts'

export const McpServer = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  /** The mode that it is in now: once it is observed no longer, everything is enforced. */
  mode: Mode,
  observeUntil: Time.nullable(),
  status: z.enum(['active', 'frozen', 'retired']),
  hasUpstreamCredential: z.boolean(),
  createdAt: Time,
})
/** One server may call another for those who call it; both by name. */
export const Forward = z.object({ from: z.string(), to: z.string(), createdAt: Time, createdBy: z.string() })
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
  mode: RuleMode.nullable().default(null),
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
/** What can be taken back for good, and what can be frozen and thawed. */
export const RevocationKind = z.enum([
  ...['token', 'credential', 'agent', 'grant', 'person', 'delegation'],
  ...['server', 'tool', 'signing_key', 'organization'],
] as const)
export const FreezeKind = z.enum([
  ...['all', 'organization', 'agent', 'person', 'server', 'tool'],
  ...['credential', 'grant', 'delegation', 'token'],
] as const)
export const Revocation = z.object({
  kind: RevocationKind,
  id: z.string(),
  organization: z.string(),
  revision: z.number().int(),
  barrier: Barrier.nullable(),
})
export const Freeze = Revocation.extend({ kind: FreezeKind, frozen: z.boolean() })
/** What taking something back would touch. */
export const RevocationPreview = z.object({
  kind: RevocationKind,
  id: z.string(),
  /** Agents that would no longer do what they do, by name. */
  agents: z.array(z.string()),
  credentials: z.number().int(),
  grants: z.number().int(),
  /** With all that rest on them. */
  delegations: z.number().int(),
  tools: z.number().int(),
  people: z.number().int(),
  /** Enforcement points that are running. */
  points: z.number().int(),
})
