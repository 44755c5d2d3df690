import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

const inOrganization = { organization: s.Ref.optional() }
/** With which webhooks are signed (Standard Webhooks): base64 of 24 to 64 bytes behind `whsec_`. */
const SigningSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'Write it as "whsec_" and base64 of 24 to 64 bytes.')

/** Where records are sent as they are made. */
export const sinks = {
  sinks: {
    list: {
      method: 'GET',
      path: '/sinks',
      summary: 'List where records of an organization are sent, and how that goes',
      permission: 'sink:read',
      query: s.Page.extend(inOrganization),
      returns: s.pageOf(s.Sink),
    },
    get: {
      method: 'GET',
      path: '/sinks/:sink',
      summary: 'Show where records are sent, and how that goes',
      permission: 'sink:read',
      query: z.object(inOrganization),
      returns: s.Sink,
    },
    create: {
      method: 'POST',
      path: '/sinks',
      summary:
        'Send records of an organization somewhere, each at least once; the signing secret is shown once',
      permission: 'sink:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Slug,
        kind: s.SinkKind.exclude(['file']),
        url: s.SinkUrl,
        format: s.SinkFormat.optional(),
        takes: s.SinkTakes.default(['calls', 'changes', 'alerts']),
        headers: s.SinkHeaders.default({}),
        /** Of a webhook; made where none is given. */
        signingSecret: SigningSecret.optional(),
        authority: s.SinkAuthority.nullable().default(null),
        /** From which record on. */
        from: z.enum(['now', 'beginning']).default('now'),
      }),
      returns: s.Sink.extend({ signingSecret: z.string().nullable() }),
    },
    update: {
      method: 'PATCH',
      path: '/sinks/:sink',
      summary: 'Change, pause or resume it; what is not sent meanwhile waits',
      permission: 'sink:write',
      body: z.object({
        ...inOrganization,
        url: s.SinkUrl.optional(),
        format: s.SinkFormat.optional(),
        takes: s.SinkTakes.optional(),
        headers: s.SinkHeaders.optional(),
        signingSecret: SigningSecret.optional(),
        authority: s.SinkAuthority.nullable().optional(),
        status: z.enum(['active', 'paused']).optional(),
        /** Passes over what waits. */
        from: z.literal('now').optional(),
      }),
      returns: s.Sink,
    },
    remove: {
      method: 'DELETE',
      path: '/sinks/:sink',
      summary: 'Send nothing there any more',
      permission: 'sink:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Sink,
    },
    test: {
      method: 'POST',
      path: '/sinks/:sink/test',
      summary: 'Send one made-up record there now, and say what came back',
      permission: 'sink:write',
      body: z.object(inOrganization),
      returns: z.object({ ok: z.boolean(), answer: z.string() }),
    },
  },
} as const satisfies Api
