import * as z from 'zod'

/**
 * What a request is about in more detail than a scope says (RFC 9396). Each is a further bound beside scopes, never more: of
 * one type, either of them may be used; what is of no type here is refused, wherever it turns up.
 */
export const AuthorizationDetail = z.discriminatedUnion('type', [
  /** This tool of the server, and no other. */
  z.strictObject({
    type: z.literal('mcp_tool'),
    /** The server's URL, where it is said again: a token has one audience. */
    locations: z.array(z.string().max(2000)).length(1).optional(),
    identifier: z.string().min(1).max(1024),
    actions: z.array(z.literal('call')).length(1).optional(),
  }),
  /** This resource with all below it, and no other; with these permissions, or with all that the scopes hold. */
  z.strictObject({
    type: z.literal('resource'),
    /** As `customer/acme`. */
    identifier: z
      .string()
      .max(1024)
      .regex(/^[^/]+\/[^/]+$/),
    actions: z
      .array(z.string().regex(/^[a-z][a-z0-9._-]{0,63}:[a-z][a-z0-9._-]{0,63}$/))
      .min(1)
      .max(50)
      .optional(),
  }),
])
export type AuthorizationDetail = z.infer<typeof AuthorizationDetail>

export const DETAIL_TYPES = ['mcp_tool', 'resource'] as const

/** The tools and resources that details leave; null where they leave all. */
export interface DetailBounds {
  tools: readonly string[] | null
  /** As `customer/acme`. */
  resources: readonly string[] | null
}

export function boundsOf(details: readonly AuthorizationDetail[]): DetailBounds {
  const named = (type: AuthorizationDetail['type']) => {
    const names = details.filter(detail => detail.type === type).map(({ identifier }) => identifier)
    return names.length > 0 ? names : null
  }
  return { tools: named('mcp_tool'), resources: named('resource') }
}
