import { createAuthEndpoint } from 'better-auth/api'
import { setSessionCookie } from 'better-auth/cookies'
import * as z from 'zod'

const Opening = z.object({
  user: z.string(),
  createdAt: z.date(),
  expiresAt: z.date(),
  ipAddress: z.string(),
  userAgent: z.string(),
  methods: z.string(),
  secondFactor: z.boolean(),
  epoch: z.number(),
  provedAt: z.date(),
})

/**
 * The one place where better-auth opens a session for us, whatever somebody has proved before. Like all of its endpoints
 * it is called and never mounted.
 */
export function sessionOpening() {
  return {
    id: 'session-opening',
    endpoints: {
      openSession: createAuthEndpoint.serverOnly({ method: 'POST', body: Opening }, async ctx => {
        const { internalAdapter } = ctx.context
        const { user: id, ...fields } = ctx.body
        const user = await internalAdapter.findUserById(id)
        if (!user) throw new Error('a session for nobody')
        const session = await internalAdapter.createSession(id, true, fields, true)
        await setSessionCookie(ctx, { session, user }, true)
        return ctx.json({ id: session.id })
      }),
    },
  }
}
