import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)

/** Decisions, and the record of calls and changes. */
export const record = {
  decisions: {
    check: {
      method: 'POST',
      path: '/check',
      summary: 'What would be decided, and why; nothing is called or recorded as a call',
      permission: 'decision:read',
      body: z.object({
        ...inOrganization,
        agent: s.Ref,
        /** Acting for this person, by the grant that stands between the two. */
        person: s.Ref.optional(),
        /** Acting for another agent, by this delegation. */
        delegation: s.Ref.optional(),
        server: s.Ref,
        kind: z.enum(['tool', 'resource', 'prompt', 'method']).default('tool'),
        name: z.string().min(1).max(1024),
        arguments: z.record(z.string(), z.json()).default({}),
        scopes: z.array(s.Scope).optional(),
        at: z.iso.datetime().optional(),
      }),
      returns: s.Explanation,
    },
    get: {
      method: 'GET',
      path: '/decisions/:id',
      summary: 'A decision that was made, with its record',
      permission: 'audit:read',
      returns: s.RecordedCall.extend({ sentence: z.string() }),
    },
    rebuild: {
      method: 'GET',
      path: '/decisions/:id/rebuilt',
      summary: 'Decide a recorded call once more, with the policy of its moment',
      permission: 'audit:read',
      returns: z.object({
        /** Null where it cannot be decided again. */
        explanation: s.Explanation.nullable(),
        /** Whether it comes out as the record says. */
        agrees: z.boolean().nullable(),
        /** Why not, where it does not or cannot. */
        note: z.string().nullable(),
      }),
    },
  },
  audit: {
    calls: {
      method: 'GET',
      path: '/audit/calls',
      summary: 'Find recorded calls',
      permission: 'audit:read',
      query: s.CallQuery,
      returns: s.pageOf(s.RecordedCall).extend({ asked: s.Asked, lookedBackTo: s.LookedBackTo }),
    },
    who: {
      method: 'GET',
      path: '/audit/who',
      summary: 'Which agents touched a resource or server, and who authorized them',
      permission: 'audit:read',
      query: s.CallQuery.omit({ limit: true, cursor: true }),
      returns: z.object({
        sentence: z.string(),
        rows: z.array(s.WhoRow),
        asked: s.Asked,
        lookedBackTo: s.LookedBackTo,
      }),
    },
    counts: {
      method: 'GET',
      path: '/audit/counts',
      summary: 'Count recorded calls by agent, tool, reason and more, and over time',
      permission: 'audit:read',
      query: s.CallQuery.omit({ limit: true, cursor: true }).extend({
        /** One or several of agent, person, owner, credential, grant, server, tool, verdict, reason, point, organization; with commas. */
        by: z.string().max(200).default(''),
        /** Also by the time, in spans of the zone. */
        every: z.enum(['minute', 'hour', 'day']).optional(),
      }),
      returns: z.object({
        counts: z.array(s.CallCount),
        /** What people call the ids that the counts name. */
        names: z.record(z.string(), z.string()),
        asked: s.Asked,
        lookedBackTo: s.LookedBackTo,
      }),
    },
    changes: {
      method: 'GET',
      path: '/audit/changes',
      summary: 'Find recorded changes',
      permission: 'audit:read',
      query: OrganizationPage.extend({
        type: z.string().optional(),
        actor: z.string().optional(),
        target: z.string().optional(),
        since: z.iso.datetime().optional(),
        until: z.iso.datetime().optional(),
      }),
      returns: s.pageOf(s.RecordedChange).extend({ lookedBackTo: s.LookedBackTo }),
    },
  },
} as const satisfies Api
