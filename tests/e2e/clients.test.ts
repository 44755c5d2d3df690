import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Handler } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInvoicesV1 } from '../../examples/invoices-v1.ts'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'
import { inspector, mcpRemote } from './clients/programs.ts'
import { sdkV1 } from './clients/sdk-v1.ts'
import { sdkV2 } from './clients/sdk-v2.ts'
import type { Errand, Visitor } from './clients/visit.ts'
import type { Identity } from './identity.ts'
import { BILLING_RULES } from './northwind.ts'
import { startWorld, type World } from './world.ts'

const LEGACY = '2025-11-25'
const MODERN = '2026-07-28'

const CLIENTS: Record<string, Visitor> = {
  'SDK v2 legacy, secret': sdkV2('legacy', 'secret'),
  'SDK v2 legacy, key': sdkV2('legacy', 'key'),
  'SDK v2 auto, secret': sdkV2('auto', 'secret'),
  'SDK v2 auto, key': sdkV2('auto', 'key'),
  'SDK v2 pinned, secret': sdkV2({ pin: MODERN }, 'secret'),
  'SDK v2 pinned, key': sdkV2({ pin: MODERN }, 'key'),
  'SDK v1, secret': sdkV1('secret'),
  'SDK v1, key': sdkV1('key'),
  'mcp-remote legacy': mcpRemote('legacy'),
  'mcp-remote auto': mcpRemote('auto'),
  'Inspector legacy': inspector('legacy'),
  'Inspector auto': inspector('auto'),
  'Inspector modern': inspector('modern'),
}

/**
 * Who was tried against what, and what came of it: the revision in which the call was made, or how it fails because
 * the two have no revision in common.
 */
const TABLE: Record<string, Record<string, string | RegExp>> = {
  'guard, SDK v2': {
    'SDK v2 legacy, secret': LEGACY,
    'SDK v2 legacy, key': LEGACY,
    'SDK v2 auto, secret': MODERN,
    'SDK v2 auto, key': MODERN,
    'SDK v2 pinned, secret': MODERN,
    'SDK v2 pinned, key': MODERN,
    'SDK v1, secret': LEGACY,
    'SDK v1, key': LEGACY,
    'mcp-remote legacy': LEGACY,
    'mcp-remote auto': MODERN,
    'Inspector legacy': LEGACY,
    'Inspector auto': MODERN,
    'Inspector modern': MODERN,
  },
  'guard, SDK v1': {
    'SDK v2 legacy, secret': LEGACY,
    'SDK v2 legacy, key': LEGACY,
    'SDK v2 auto, secret': LEGACY,
    'SDK v2 auto, key': LEGACY,
    'SDK v2 pinned, secret': /negotiat/i,
    'SDK v2 pinned, key': /negotiat/i,
    'SDK v1, secret': LEGACY,
    'SDK v1, key': LEGACY,
    'mcp-remote legacy': LEGACY,
    'mcp-remote auto': LEGACY,
    'Inspector legacy': LEGACY,
    'Inspector auto': LEGACY,
    'Inspector modern': /negotiat/i,
  },
}

/** A server as a client meets it, with what it is asked there. */
interface Stage extends Pick<Errand, 'url' | 'permitted' | 'refused'> {
  /** What the agent is shown: all but what no rule names. */
  tools: string[]
  /** What the permitted call really says. */
  answer: string
  /** Revisions in which the server was spoken to. */
  spoken: Set<string>
}

let world: World
let identity: Identity
const stages = new Map<string, Stage>()

const READ = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
// The Inspector calls only what it was listed: what is refused is a visible tool, for what it is asked to do.
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 900 } }

beforeAll(async () => {
  world = await startWorld()
  identity = await world.identify('billing-analyst')
  const { refund_invoice, get_invoice, list_invoices } = BILLING_RULES
  const rules = { get_invoice, refund_invoice } as typeof BILLING_RULES
  const put = async (name: string, title: string, handler: Handler, tools: string[], more = {}) => {
    const spoken = new Set<string>()
    const { url } = await world.serve({
      name,
      handler: listening(handler, spoken),
      rules: { ...rules, ...more },
    })
    stages.set(title, { url, permitted: READ, refused: REFUND, tools, answer: '"amount":120', spoken })
  }
  await put(
    'billing-two',
    'guard, SDK v2',
    createBillingHandler().fetch,
    ['list_invoices', 'get_invoice', 'refund_invoice'],
    {
      list_invoices,
    },
  )
  await put('billing-one', 'guard, SDK v1', createInvoicesV1(), ['get_invoice', 'refund_invoice'])
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** Notes in which revision a tool is called. */
function listening(handler: Handler, spoken: Set<string>): Handler {
  return (request, options) => {
    const { method } = (options.parsedBody ?? {}) as { method?: string }
    if (method === 'tools/call') spoken.add(request.headers.get('mcp-protocol-version') ?? 'none')
    return handler(request, options)
  }
}

for (const [title, row] of Object.entries(TABLE)) {
  describe(title, () => {
    test.each(Object.entries(row))('%s', async (client, expected) => {
      const stage = stages.get(title)
      const visit = CLIENTS[client]
      if (!stage || !visit)
        throw new Error(`the table names ${title} and ${client}, and one of them is not there`)
      const home = await mkdtemp(join(tmpdir(), 'valetkey-client-'))
      stage.spoken.clear()
      try {
        const visiting = visit({ ...stage, issuer: world.url, identity, home })
        if (expected instanceof RegExp) return void (await expect(visiting).rejects.toThrow(expected))
        const { tools, permitted, refused } = await visiting
        expect(tools).toEqual(stage.tools)
        expect(permitted).toEqual({ isError: false, text: expect.stringContaining(stage.answer) })
        expect(refused.isError).toBe(true)
        expect(refused.text).toMatch(
          /^Denied: the condition of this tool does not hold \(args\.amount <= 500\.0\) \(decision dec_\w+\)\. Retry only/,
        )
        expect([...stage.spoken]).toEqual([expected])
      } finally {
        await rm(home, { recursive: true, force: true })
      }
    })
  })
}
