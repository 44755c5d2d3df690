import { ApiError, shapes } from '@valetkey/sdk/contract'
import { isId } from '@valetkey/sdk/core'
import { findOwnOrganization } from '../find.ts'
import { findPrincipal, splitPrincipal } from '../principal/principal.ts'
import type { Session } from '../session.ts'
import { parseSpan, UsageError } from '../terminal/index.ts'

/** Who, what, on which resource: as the access operations take it. */
export interface Question {
  organization?: string
  principal: string
  permission: string
  resource: string
}

/** What was typed as a question. Without a resource it is about the whole organization. */
export async function toQuestion(
  session: Session,
  who: string,
  permission: string,
  resource: string | undefined,
): Promise<Question> {
  if (!shapes.PermissionSlug.safeParse(permission).success)
    throw new UsageError(
      `"${permission}" is not a permission.`,
      'Without --server the question is whether somebody holds a permission.',
      'Write it as invoices:read, or add --server NAME to ask about a call of a tool.',
    )
  return {
    ...session.organization,
    principal: await principalOf(session, who),
    permission,
    resource: resource ?? `organization/${(await findOwnOrganization(session)).slug}`,
  }
}

/** Who may only ask about decisions cannot look names up: then the server gets the word as it is. */
async function principalOf(session: Session, text: string): Promise<string> {
  try {
    return (await findPrincipal(session, text)).id
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'permission.denied')) throw error
    const { kind, name } = splitPrincipal(text)
    return isId(name) ? name : `${kind}:${name}`
  }
}

/** `--at` as a question takes it. */
export function momentOf({ io, utc }: Session, at: string | undefined): string | undefined {
  return at === undefined ? undefined : new Date(parseSpan(at, { now: io.now(), utc }).from).toISOString()
}
