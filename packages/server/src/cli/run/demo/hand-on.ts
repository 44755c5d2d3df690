import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createAgent } from '@valetkey/sdk/agent'
import { callWith } from './shut-out.ts'
import type { Cast, Closer, KeptKey } from './stage.ts'
import { call, callAsBeat, round, type Tell } from './telling.ts'

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1043' } }
const GLOBEX = { name: 'get_invoice', arguments: { customer: 'globex', id: 'INV-2001' } }
const FOR_ACME = 'billing-analyst, for support-bot: get_invoice { customer: "acme", id: "INV-1043" }'
const FOR_GLOBEX = 'billing-analyst, for support-bot: get_invoice { customer: "globex", id: "INV-2001" }'

/**
 * support-bot leaves the check of an invoice to billing-analyst: for one customer, for a quarter of an hour. Gives the
 * token that billing-analyst calls with.
 */
export async function handOn(cast: Cast, tell: Tell, closers: Closer[]): Promise<string> {
  const { api, billing, supportBot, analyst } = cast
  const acting = { token: '', delegation: '' }
  const client = new Client({ name: 'billing-analyst', version: '1.0.0' })
  closers.push(() => client.close())
  await tell(
    'support-bot lets billing-analyst check invoices, on customer/acme, for 15 minutes',
    async () => {
      const bounds = {
        only: ['invoices:read'],
        on: ['customer/acme'],
        for: '15m',
        purpose: 'check an invoice',
      }
      const handover = await agentWith(supportBot.key).delegate('billing-analyst', bounds)
      const by = await agentWith(analyst.key).redeem(handover, { resource: billing })
      await client.connect(
        new StreamableHTTPClientTransport(new URL(billing), { authProvider: by.authProvider(billing) }),
      )
      acting.delegation = by.delegation
      acting.token = await by.token({ resource: billing })
      return { status: 'answered', text: 'by a handle that was good once, for billing-analyst alone' }
    },
  )
  await tell(FOR_ACME, () => callAsBeat(client, ACME))
  await tell(FOR_GLOBEX, async () => {
    const { status, text } = await call(client, GLOBEX)
    const { legs } = await api.decisions.check({
      ...{ organization: 'northwind', agent: 'billing-analyst', delegation: acting.delegation },
      ...{ server: 'billing', ...GLOBEX },
    })
    const failed = legs.find(({ result }) => result === 'failed')?.leg ?? 'none'
    return { status, text: `${text} The leg that failed: ${failed}.` }
  })
  return acting.token
}

/** With the agent that delegated dies what it handed on. Milliseconds since the word was given, until it was refused. */
export async function dieWithIt(billing: string, token: string, tell: Tell, from: number): Promise<number> {
  let diedMs = 0
  await tell(`${FOR_ACME}, with the token that came of it`, async () => {
    const response = await callWith(token, billing, ACME)
    diedMs = round(performance.now() - from)
    const { error } = (await response.json()) as { error?: { message: string } }
    return { status: response.status, text: `${error?.message ?? ''} ${diedMs} ms after the word was given` }
  })
  return diedMs
}

function agentWith({ issuer, clientId, privateKey }: KeptKey) {
  return createAgent({ issuer, clientId, key: privateKey })
}
