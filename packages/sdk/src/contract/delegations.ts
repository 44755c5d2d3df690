import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)

/** Agents that let other agents act. Agents delegate at the authority's own `/delegations`; here administrators look on. */
export const delegations = {
  delegations: {
    list: {
      method: 'GET',
      path: '/delegations',
      summary: 'List delegations, of one agent or of all',
      permission: 'delegation:read',
      query: OrganizationPage.extend({
        /** That delegated, or that was delegated to. */
        agent: s.Ref.optional(),
        /** Only those that still let somebody act. */
        live: z.union([z.boolean(), z.stringbool()]).default(false),
      }),
      returns: s.pageOf(s.Delegation),
    },
    get: {
      method: 'GET',
      path: '/delegations/:id',
      summary: 'Show a delegation',
      permission: 'delegation:read',
      query: z.object(inOrganization),
      returns: s.Delegation,
    },
    revoke: {
      method: 'DELETE',
      path: '/delegations/:id',
      summary: 'End a delegation, and with it all that rest on it',
      permission: 'delegation:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Delegation,
    },
  },
  delegationRules: {
    list: {
      method: 'GET',
      path: '/delegation-rules',
      summary: 'List who may delegate to whom',
      permission: 'delegation:read',
      query: OrganizationPage,
      returns: s.pageOf(s.DelegationRule),
    },
    put: {
      method: 'PUT',
      path: '/delegation-rules',
      summary: 'Let an agent, all that hold a role, or all of an organization delegate to others',
      permission: 'delegation:write',
      body: z.object({
        ...inOrganization,
        from: s.DelegationSide,
        to: s.DelegationSide,
        scopes: z.array(s.Scope).max(200).nullable().default(null),
        beyond: z.array(s.Scope).max(200).default([]),
      }),
      returns: s.DelegationRule,
    },
    report: {
      method: 'GET',
      path: '/delegation-report',
      summary: 'What agents could cause by delegating that they may not do themselves, before anybody does',
      permission: 'delegation:read',
      query: z.object({
        ...inOrganization,
        /** What this one could cause; all, where it is left out. */
        agent: s.Ref.optional(),
      }),
      returns: z.object({ items: z.array(s.Escalation), revision: z.string() }),
    },
    remove: {
      method: 'DELETE',
      path: '/delegation-rules/:id',
      summary: 'Take a rule away, and end every delegation that was made under it',
      permission: 'delegation:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.DelegationRule,
    },
  },
} as const satisfies Api
