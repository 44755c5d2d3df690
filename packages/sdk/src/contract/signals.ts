import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
/** A whole header value, for example `Bearer …`. */
const Authorization = z.string().regex(/^[\x21-\x7e][\x20-\x7e]{0,2047}$/, 'Write one header value.')

/** An OAuth client of a transmitter, and what it proves itself by: one of the two. */
const SourceClient = z
  .object({
    id: z.string().min(1).max(512),
    secret: z.string().min(1).max(2048).optional(),
    privateJwk: z.looseObject({ kty: z.enum(['EC', 'OKP', 'RSA']), d: z.string() }).optional(),
    /** Who issues its tokens; found at the transmitter, and to be named where that is another host. */
    authorizationServer: s.SignalAddress.optional(),
  })
  .refine(
    ({ secret, privateJwk }) => (secret === undefined) !== (privateJwk === undefined),
    'Send a secret or a private key.',
  )

/** A receiver with its client secret, which nothing shows again. */
const NewSecret = s.SignalReceiver.extend({ secret: z.string() })

/** Security events: out to receivers (OpenID SSF with CAEP), and in from identity providers. */
export const signals = {
  signalReceivers: {
    list: {
      method: 'GET',
      path: '/signal-receivers',
      summary: 'List who is told of revocations, with their streams',
      permission: 'signal:read',
      query: OrganizationPage,
      returns: s.pageOf(s.SignalReceiver),
    },
    create: {
      method: 'POST',
      path: '/signal-receivers',
      summary: 'Let somebody be told of revocations, as an OAuth client; its secret is shown once',
      permission: 'signal:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Slug,
        /** What its events name as their audience; an address of ours unless said otherwise. */
        audience: z.string().min(1).max(512).optional(),
        /** Scheme, host and port that events may be pushed to. */
        pushOrigin: s.SignalAddress.optional(),
        subjects: s.SignalReceiver.shape.subjects.default('iss_sub'),
      }),
      returns: NewSecret,
    },
    rotateSecret: {
      method: 'POST',
      path: '/signal-receivers/:receiver/secret',
      summary: 'Give a receiver a new secret; the one before it, and tokens that it gave, count no more',
      permission: 'signal:write',
      idempotent: true,
      body: z.object(inOrganization),
      returns: NewSecret,
    },
    remove: {
      method: 'DELETE',
      path: '/signal-receivers/:receiver',
      summary: 'Tell somebody no more: its secret, its tokens, its stream and what waits for it are gone',
      permission: 'signal:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.SignalReceiver,
    },
  },
  signalStreams: {
    start: {
      method: 'PUT',
      path: '/signal-receivers/:receiver/stream',
      summary: 'Set the stream of a receiver up for it, or anew',
      permission: 'signal:write',
      body: z.object({
        ...inOrganization,
        /** Where events are pushed to; left out where the receiver fetches them. */
        endpoint: s.SignalAddress.optional(),
        authorization: Authorization.optional(),
        events: z.array(s.SignalEventName).min(1).optional(),
        description: s.Text.default(''),
      }),
      returns: s.SignalReceiver,
    },
    update: {
      method: 'PATCH',
      path: '/signal-receivers/:receiver/stream',
      summary: 'Pause, stop or resume a stream; what is paused keeps its events, what is disabled drops them',
      permission: 'signal:write',
      body: z.object({
        ...inOrganization,
        status: s.SignalStream.shape.status,
        reason: s.Text.default(''),
      }),
      returns: s.SignalReceiver,
    },
    verify: {
      method: 'POST',
      path: '/signal-receivers/:receiver/stream/verify',
      summary: 'Send an event that says nothing but that the stream works',
      permission: 'signal:write',
      body: z.object(inOrganization),
      returns: s.SignalReceiver,
    },
  },
  signalSources: {
    list: {
      method: 'GET',
      path: '/signal-sources',
      summary: 'List the identity providers whose security events count here',
      permission: 'signal:read',
      query: OrganizationPage,
      returns: s.pageOf(s.SignalSource),
    },
    create: {
      method: 'POST',
      path: '/signal-sources',
      summary: "Let an identity provider's security events end sessions and grants here",
      permission: 'signal:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Slug,
        provider: s.Ref,
        /** Of its events, as its `/.well-known/ssf-configuration` says. */
        issuer: s.SignalAddress,
        /** Where its keys are; asked of the issuer unless said. */
        jwksUri: s.SignalAddress.optional(),
        /** What its events name as their audience; the address that it pushes to unless said otherwise. */
        audience: z.string().min(1).max(512).optional(),
        /** Where it is polled; left out where it pushes. */
        pollUrl: s.SignalAddress.optional(),
        /** What its polling endpoint wants as `Authorization`, where it gives out nothing but a header that does not change. */
        authorization: Authorization.optional(),
        /** As which OAuth client it is polled; then its stream is found, or opened, unless `pollUrl` is said. */
        client: SourceClient.optional(),
      }),
      returns: s.SignalSource,
    },
    remove: {
      method: 'DELETE',
      path: '/signal-sources/:signalSource',
      summary: 'Take no more events of an identity provider',
      permission: 'signal:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.SignalSource,
    },
  },
  signalKeys: {
    list: {
      method: 'GET',
      path: '/signal-keys',
      summary: 'List the keys that security events are, were and will be signed with',
      permission: 'signal:read',
      returns: z.object({ items: z.array(s.SignalKey) }),
    },
    rotate: {
      method: 'POST',
      path: '/signal-keys/rotate',
      summary: 'Sign events with a new key, after five minutes in which receivers can learn it',
      permission: 'signal:write',
      body: z.object({}),
      returns: s.SignalKey,
    },
  },
} as const satisfies Api
