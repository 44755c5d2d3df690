import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
/** Milliseconds to wait for the enforcement points; 0 answers at once. */
const Wait = z.number().int().min(0).max(60_000).default(0)
const Target = z.object({
  ...inOrganization,
  kind: s.RevocationKind,
  /** Name or id; of a tool also `SERVER/TOOL`, of a token its `jti`, of a signing key its `kid`. */
  id: s.Ref,
})
const Freezing = z.object({
  ...inOrganization,
  kind: s.FreezeKind,
  /** Left out for everything. */
  id: s.Ref.optional(),
  reason: s.Text.default(''),
  waitMs: Wait,
})

/** Taking back what was given: for good, or until it is thawed. */
export const revocations = {
  revocations: {
    create: {
      method: 'POST',
      path: '/revocations',
      summary: 'Take something back for good, and wait until every enforcement point has confirmed',
      permission: 'revocation:write',
      body: Target.extend({ reason: s.Text.default(''), waitMs: Wait }),
      returns: s.Revocation,
    },
    preview: {
      method: 'POST',
      path: '/revocations/preview',
      summary: 'What taking something back would touch',
      permission: 'revocation:read',
      body: Target,
      returns: s.RevocationPreview,
    },
  },
  freezes: {
    freeze: {
      method: 'POST',
      path: '/freeze',
      summary: 'Refuse whatever something does until it is thawed; or everything',
      permission: 'revocation:write',
      body: Freezing,
      returns: s.Freeze,
    },
    thaw: {
      method: 'POST',
      path: '/thaw',
      summary:
        'Let something frozen be decided on again, and say why; what was revoked meanwhile stays revoked',
      permission: 'revocation:write',
      body: Freezing.extend({ reason: s.Note }),
      returns: s.Freeze,
    },
  },
} as const satisfies Api
