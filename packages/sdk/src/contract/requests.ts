import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
/** Which of them are meant; all of an agent, of a person, or of the one for the other. */
const whose = { agent: s.Ref.optional(), person: s.Ref.optional() }

/** What agents have asked people who are somewhere else, and wait for. */
export const requests = {
  waitingRequests: {
    list: {
      method: 'GET',
      path: '/waiting-requests',
      summary: 'List what agents have asked people and wait for',
      permission: 'grant:read',
      query: s.Page.extend({ ...inOrganization, ...whose }),
      returns: s.pageOf(s.WaitingRequest),
    },
    cancel: {
      method: 'DELETE',
      path: '/waiting-requests/:id',
      summary: 'Cancel what an agent has asked, before anybody answers',
      permission: 'grant:write',
      query: z.object({ ...inOrganization, reason: s.Text.default('') }),
      returns: s.WaitingRequest,
    },
    cancelAll: {
      method: 'POST',
      path: '/waiting-requests/cancel',
      summary: 'Cancel everything that an agent waits for, or that a person is asked',
      permission: 'grant:write',
      body: z.object({ ...inOrganization, ...whose, reason: s.Text.default('') }),
      returns: z.object({ cancelled: z.array(z.string()) }),
    },
  },
} as const satisfies Api
