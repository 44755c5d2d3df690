import * as z from 'zod'
import { Scope, Time } from './words.ts'

/** A link of a chain: one agent lets another act, within bounds. */
export const Delegation = z.object({
  id: z.string(),
  organization: z.string(),
  delegator: z.string(),
  delegatorName: z.string(),
  delegate: z.string(),
  delegateName: z.string(),
  /** The link that it continues; null for the first of a chain. */
  parent: z.string().nullable(),
  /** All links from the root down to this one. */
  path: z.array(z.string()),
  /** The person's grant at the root; null where the first agent acts by what it may itself. */
  grant: z.string().nullable(),
  scopes: z.array(z.string()),
  resources: z.array(z.string()),
  /** CEL over the arguments of a call. */
  condition: z.string().nullable(),
  /** How many links may follow. */
  hops: z.number().int(),
  purpose: z.string(),
  rule: z.string(),
  createdAt: Time,
  activatedAt: Time.nullable(),
  expiresAt: Time,
  /** `offered` until the delegate takes it up; `broken` where something that it rests on has ended. */
  status: z.enum(['offered', 'live', 'frozen', 'expired', 'revoked', 'broken']),
})

/** One side of a rule: `agent:NAME`, `role:SLUG` for every agent that holds it (anywhere), or `organization` for all. */
export const DelegationSide = z.string().min(1).max(400)
/** Who may delegate to whom. Without a rule, nobody. */
export const DelegationRule = z.object({
  id: z.string(),
  organization: z.string(),
  /** As `agent:support-bot`, `role:clerk` or `organization`. */
  from: z.string(),
  to: z.string(),
  /** The most that may be handed on; null for all that the delegator may. */
  scopes: z.array(Scope).nullable(),
  /** Permissions that the delegate may hold although the delegator does not: known, and accepted. */
  beyond: z.array(Scope),
  createdAt: Time,
  createdBy: z.string(),
})
/** What an agent could cause through others that it may not do itself: they may, and it may ask them to. */
export const Escalation = z.object({
  agent: z.string(),
  agentName: z.string(),
  /** The agents that it could go through, the last one holding the permission. */
  through: z.array(z.string()),
  /** The rules that let it, in the same order. */
  rules: z.array(z.string()),
  permission: z.string(),
  /** The highest resources where the last one holds it and the first does not. */
  on: z.array(z.string()),
  /** The first of these rules says that this is known. */
  accepted: z.boolean(),
})
