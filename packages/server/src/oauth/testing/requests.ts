import { setTimeout as delay } from 'node:timers/promises'
import { ASSERTION_TYPE, answerOf, RESOURCE, type World } from './world.ts'

/** What every token request of these tests has. */
export const form = { grant_type: 'client_credentials', resource: RESOURCE }
export const bySecret = (world: World, more: Record<string, string> = {}) => ({
  ...form,
  client_id: world.agent,
  client_secret: world.secret,
  ...more,
})
export const byKey = (assertion: string, more: Record<string, string> = {}) => ({
  ...form,
  client_assertion_type: ASSERTION_TYPE,
  client_assertion: assertion,
  ...more,
})
/** Refusals are recorded beside the answer, not before it. */
export async function refusals(world: World) {
  for (let tries = 0; tries < 200; tries++) {
    const events = await world.events('token.refused')
    if (events.length > 0) return events
    await delay(10)
  }
  throw new Error('no refusal was recorded')
}

/** The refusal that one request causes: what the caller is told and what the record says. */
export async function refusal(world: World, response: Response) {
  const body = await answerOf(response)
  const [event] = (await refusals(world)).slice(-1)
  return { status: response.status, error: body.error, reason: event?.detail['reason'] }
}
