import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

const inOrganization = { organization: s.Ref.optional() }

/** What agents did otherwise than before, and when an organization wants to be told. */
export const alerts = {
  alerts: {
    list: {
      method: 'GET',
      path: '/alerts',
      summary: 'List what agents did otherwise than before, newest first',
      permission: 'alert:read',
      query: s.Page.extend({
        ...inOrganization,
        agent: s.Ref.optional(),
        kind: s.AlertKind.optional(),
        /** Only those that nobody has acknowledged. */
        open: z.stringbool().optional(),
      }),
      returns: s.pageOf(s.Alert),
    },
    get: {
      method: 'GET',
      path: '/alerts/:alert',
      summary: 'Show an alert with the records that it rests on',
      permission: 'alert:read',
      query: z.object(inOrganization),
      returns: s.Alert,
    },
    acknowledge: {
      method: 'POST',
      path: '/alerts/:alert/acknowledge',
      summary: 'Say that somebody has looked into an alert, and what came of it',
      permission: 'alert:write',
      body: z.object({ ...inOrganization, note: s.Text.default('') }),
      returns: s.Alert,
    },
    policy: {
      method: 'GET',
      path: '/organizations/:id/alerts',
      summary: 'Show when an organization is told of what agents do otherwise',
      permission: 'alert:read',
      returns: s.AlertPolicy,
    },
    updatePolicy: {
      method: 'PATCH',
      path: '/organizations/:id/alerts',
      summary: 'Say when an organization is told, and what suspends an agent at once',
      permission: 'alert:write',
      body: s.AlertPolicy.omit({ organization: true }).partial(),
      returns: s.AlertPolicy,
    },
  },
} as const satisfies Api
