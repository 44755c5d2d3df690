import type {
  ActionKind,
  Carrier,
  DetailBounds,
  JsonObject,
  LegName,
  Mode,
  Reason,
  Revision,
  Risk,
  Verdict,
} from '../core/index.ts'
import type { Found } from './walk.ts'

/** Who acts, as the verified token says. */
export interface Caller {
  organization: string
  agent: string
  credential: string
  client: string
  token: string
  /** The key that signed the token; none where the caller is made up. */
  key?: string
  scopes: readonly string[]
  /** Milliseconds since 1970. */
  expiresAt: number
  /** Whether the token is good only with a proof of a key. */
  isBound?: boolean
  /** The organization's revision that the token was issued at, where it says so. */
  revision?: number
  person: string | null
  grant: string | null
  /** What the token is limited to beside its scopes; nothing where it does not say. */
  bounds?: DetailBounds
  /** The delegations by which it acts for another agent, the first one first; empty where it acts for none. */
  chain: readonly string[]
  /** The servers that handed its call on to this one, the first one first, by which of their keys, and the tokens that they had for it. */
  forwarded?: readonly { server: string; key: string; token: string }[]
  /** What was found of it when it called last; looked at only while nothing has changed. Not for who makes a caller. */
  found?: Found
  /** Set where the caller has no identity here: what its credential is known by, null where it shows none. */
  fingerprint?: string | null
}

/** What the caller wants to do: one MCP request, parsed. */
export interface Action {
  kind: ActionKind
  /** The tool's or prompt's name, the resource's URI, or the method. */
  name: string
  arguments: JsonObject
  /** Hash of the tool's definition as the server offers it now. */
  definition: string | null
}

export interface DecisionRequest {
  id: string
  now: number
  /** The MCP server's id. */
  server: string
  caller: Caller
  action: Action
}

/** One step of the walk. `detail` says what was looked at, in words for a person. */
export interface Leg {
  leg: LegName
  result: 'passed' | 'failed' | 'not_reached'
  detail: string | null
}

/** What a refused principal lacked, and what would mend it. */
export interface Missing {
  principal: string
  permission: string
  /** From the resource up to the organization, each as type and id. */
  path: string[]
  /** Roles that it has on the way up and that lack the permission. */
  near: { role: string; on: string; group: string | null }[]
  /** Roles that would allow it: the nearest place first, then the one that gives the least else. */
  wouldAllow: { role: string; on: string; alsoGives: string[] }[]
}

export interface Decision {
  id: string
  decision: Verdict
  reason: Reason
  /** What exactly was missing, for example the permission or the argument. */
  detail: string | null
  mode: Mode
  risk: Risk
  permission: string | null
  definition: string | null
  /** Path of the resource that the call names; null for the whole organization. */
  resource: string | null
  /** The others, where it names several. */
  otherResources: readonly string[]
  assignments: readonly Carrier[]
  revision: Revision
  /** The leg that failed: those before it passed, those after it were not reached. */
  failed: LegName | null
  /** Only with `explain`. */
  legs: readonly Leg[]
  /** Only with `explain`, where a role is what was missing. */
  missing: Missing | null
}
