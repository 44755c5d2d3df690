import { type AdminApi, ApiError, type Output } from '@valetkey/sdk/contract'
import type { Session } from '../session.ts'
import type { Question } from './access-question.ts'
import type { Explained } from './access-view.ts'

type Recorded = Output<AdminApi['decisions']['get']>
/** What has to be known of a refused call. */
type Call = Pick<
  Recorded,
  | 'organization'
  | 'agent'
  | 'agentName'
  | 'person'
  | 'permission'
  | 'resource'
  | 'otherResources'
  | 'reason'
  | 'detail'
>

export interface Today {
  question: Question
  explained: Explained
  /** Who lacks it, as a command takes it. */
  who: string
}

/**
 * What a call that was refused for want of a permission lacks as things stand now. Nothing where it was refused for
 * something else, or where who asks may not ask about access.
 */
export async function explainToday(session: Session, call: Call): Promise<Today | undefined> {
  const { organization, permission } = call
  const lacking = whoLacked(call)
  if (!lacking || organization === null || permission === null) return undefined
  const { principal, who } = lacking
  try {
    const root = `organization/${(await session.api.organizations.get({ id: organization })).slug}`
    const paths = call.resource === null ? [] : [call.resource, ...(call.otherResources ?? [])]
    for (const path of paths.length > 0 ? paths : ['']) {
      const places = [...placesOf(path), root]
      const today = await explainOn(session, { organization, principal, permission }, places)
      if (today && !today.explained.allowed) return { ...today, who }
    }
  } catch (error) {
    if (!(error instanceof ApiError && (error.status === 403 || error.status === 404))) throw error
  }
  return undefined
}

function whoLacked(call: Call): { principal: string; who: string } | undefined {
  if (call.reason === 'agent_lacks_permission' && call.agent !== null) {
    // One that delegated to it, where the detail names one.
    const [, delegator] = /^agent (\S+): /.exec(call.detail ?? '') ?? []
    if (delegator !== undefined) return { principal: `agent:${delegator}`, who: delegator }
    return { principal: call.agent, who: call.agentName ?? call.agent }
  }
  if (call.reason === 'user_lacks_permission' && call.person !== null)
    return { principal: call.person, who: call.person }
  return undefined
}

/** `customer/acme/invoice/INV-1` as `invoice/INV-1`, then `customer/acme`. */
function placesOf(path: string): string[] {
  return path.match(/[^/]+\/[^/]+/g)?.reverse() ?? []
}

/**
 * Explains on the first of these places that the permission is about: it may belong to a type above the one that the
 * path ends with, and what a path ends with need not be registered.
 */
async function explainOn(
  { api }: Session,
  asked: Omit<Question, 'resource'>,
  places: readonly string[],
): Promise<Omit<Today, 'who'> | undefined> {
  for (const resource of places) {
    const question = { ...asked, resource }
    try {
      const explained = await api.access.explain(question)
      if (explained.reason !== 'resource_unknown') return { question, explained }
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'permission.mismatch')) throw error
    }
  }
  return undefined
}
