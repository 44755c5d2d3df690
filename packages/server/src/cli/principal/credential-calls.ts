import { type AdminApi, ApiError, type Input } from '@valetkey/sdk/contract'
import type { Session } from '../session.ts'

/** What came by one credential. */
export interface CredentialCalls {
  permitted: number
  refused: number
  last: string | null
}

export const NO_CALLS: CredentialCalls = { permitted: 0, refused: 0, last: null }

/** Calls on record, by credential; undefined where the record does not answer who asks: nothing else has to wait for it. */
export async function callsByCredential(
  { api }: Session,
  question: Pick<Input<AdminApi['audit']['counts']>, 'agent' | 'credential' | 'organization' | 'since'>,
) {
  try {
    const { counts, lookedBackTo } = await api.audit.counts({ ...question, by: 'credential' })
    const calls = new Map(
      counts.map(({ by, permitted, refused, last }) => [by['credential'], { permitted, refused, last }]),
    )
    return { calls, lookedBackTo }
  } catch (error) {
    if (error instanceof ApiError) return undefined
    throw error
  }
}

const DAYS = 7

/** What is said of a credential before it is taken back: whether somebody still calls by it. */
export async function whetherInUse(session: Session, credential: string): Promise<string[]> {
  const since = new Date(session.io.now() - DAYS * 24 * 3_600_000).toISOString()
  const found = await callsByCredential(session, { ...session.organization, credential, since })
  if (!found) return []
  const { permitted, refused, last } = found.calls.get(credential) ?? NO_CALLS
  const count = permitted + refused
  const far = found.lookedBackTo === null ? `in the last ${DAYS} days` : `after ${found.lookedBackTo}`
  if (count === 0) return [`No call came by it ${far}.`]
  return [`${count === 1 ? '1 call' : `${count} calls`} came by it ${far}, the last at ${last}.`]
}
