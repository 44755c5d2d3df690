import type { Consented } from './consent.ts'
import type { Cast } from './stage.ts'
import { call, round, type Tell, type ToolCall } from './telling.ts'

/** Milliseconds from the demotion until every enforcement point had confirmed it, and until the call after it was refused. */
export interface Demotion {
  confirmedMs: number
  refusedMs: number
}

const INVOICES: ToolCall = { name: 'list_invoices', arguments: { customer: 'acme' } }

/** In the middle of its run the person loses her role, and with it the agent what it had of her. */
export async function demoteThePerson(
  { api }: Cast,
  { forMaya, role }: Consented,
  tell: Tell,
): Promise<Demotion> {
  let demotion: Demotion = { confirmedMs: 0, refusedMs: 0 }
  await tell('maya loses her role in the middle of the run: the very next call, same token', async () => {
    const from = performance.now()
    await api.assignments.remove({ organization: 'northwind', id: role.id })
    const { complete } = await api.points.wait({ organization: 'northwind' })
    const confirmedMs = round(performance.now() - from)
    const { status, text } = await call(forMaya, INVOICES)
    demotion = { confirmedMs, refusedMs: round(performance.now() - from) }
    if (!complete || status !== 'refused') throw new Error(`the demotion did not hold: ${status}`)
    return { status, text: `${text} Every enforcement point had confirmed after ${confirmedMs} ms.` }
  })
  return demotion
}
