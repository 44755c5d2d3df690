import type { Client } from '@modelcontextprotocol/client'
import type { Cast } from './stage.ts'
import { call, round, type Tell, type ToolCall } from './telling.ts'

/** What a demotion came to: when the first call was refused, and how many were let through after it was written. */
export interface Demotion {
  refusedMs: number
  permittedAfterwards: number
}

const INVOICES: ToolCall = { name: 'list_invoices', arguments: { customer: 'acme' } }
const MAYA = 'maya@northwind.dev'
const ROLE = { organization: 'northwind', principal: `user:${MAYA}`, role: 'support-agent' }
const MOST_CALLS = 500

/** Maya lets support-bot act for her. In the middle of its run she loses her role, and with it the agent what it had of her. */
export async function demoteThePerson({ api, billing, supportBot }: Cast, tell: Tell): Promise<Demotion> {
  const role = await api.assignments.create(ROLE)
  const grant = await api.grants.create({
    organization: 'northwind',
    agent: 'support-bot',
    person: MAYA,
    scopes: ['invoices:read'],
  })
  const forMaya = await supportBot.connectFor(billing, grant.id)
  await tell('maya lets support-bot act for her: list_invoices { customer: "acme" }', async () => {
    const { status, text } = await call(forMaya, INVOICES)
    return { status, text }
  })
  let demotion: Demotion = { refusedMs: 0, permittedAfterwards: 0 }
  await tell('maya loses her role in the middle of the run: the next call, with the same token', async () => {
    const from = performance.now()
    await api.assignments.remove({ organization: 'northwind', id: role.id })
    const { refusal, permitted } = await callUntilRefused(forMaya)
    demotion = { refusedMs: round(performance.now() - from), permittedAfterwards: permitted }
    const when = permitted === 0 ? '' : `, after ${permitted} that the word had not reached`
    return { status: 'refused', text: `${refusal} ${demotion.refusedMs} ms after the word was given${when}` }
  })
  return demotion
}

/** The agent goes on with its work; nobody tells it. */
async function callUntilRefused(client: Client): Promise<{ refusal: string; permitted: number }> {
  for (let permitted = 0; permitted < MOST_CALLS; permitted++) {
    const { status, text } = await call(client, INVOICES)
    if (status === 'refused') return { refusal: text, permitted }
  }
  throw new Error(`${MOST_CALLS} calls were permitted after the role was gone`)
}
