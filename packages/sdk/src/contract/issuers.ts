import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }

/** Whose signed word organizations take: about people (ID-JAG), and about programs that are agents. */
export const issuers = {
  issuers: {
    list: {
      method: 'GET',
      path: '/issuers',
      summary: 'List trusted issuers',
      permission: 'issuer:read',
      query: s.Page.extend(inOrganization),
      returns: s.pageOf(s.TrustedIssuer),
    },
    get: {
      method: 'GET',
      path: '/issuers/:issuerId',
      summary: 'Show a trusted issuer',
      permission: 'issuer:read',
      query: z.object(inOrganization),
      returns: s.TrustedIssuer,
    },
    create: {
      method: 'POST',
      path: '/issuers',
      summary: 'Take the word of an issuer for people, or for programs',
      permission: 'issuer:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Slug,
        kind: s.IssuerKind,
        issuer: s.IssuerName,
        ...s.IssuerTerms,
      }),
      returns: s.TrustedIssuer,
    },
    update: {
      method: 'PATCH',
      path: '/issuers/:issuerId',
      summary: 'Change a trusted issuer; what came by a rule that goes is refused at once',
      permission: 'issuer:write',
      body: z.object({ ...inOrganization, ...s.IssuerTerms }),
      returns: s.TrustedIssuer,
    },
    remove: {
      method: 'DELETE',
      path: '/issuers/:issuerId',
      summary: 'Take the word of an issuer no more; what came by it is refused at once',
      permission: 'issuer:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.TrustedIssuer,
    },
  },
} as const satisfies Api
