import type { JsonObject } from '@valetkey/sdk/core'
import { type ServerOffer, toDefinitions } from '@valetkey/sdk/guard'

/** What callers do, and whether the policy below lets them. */
export interface Deed {
  agent: (typeof AGENTS)[number]
  tool: string
  arguments: JsonObject
  isPermitted: boolean
}

export const AGENTS = ['clerk', 'reader', 'keeper'] as const

export const DEEDS: readonly Deed[] = [
  { agent: 'clerk', tool: 'read_entry', arguments: {}, isPermitted: true },
  { agent: 'clerk', tool: 'add_entry', arguments: { amount: 5 }, isPermitted: true },
  { agent: 'reader', tool: 'read_entry', arguments: {}, isPermitted: true },
  { agent: 'keeper', tool: 'close_ledger', arguments: {}, isPermitted: true },
  // The condition, the role, an argument that nobody knows, and a tool that has no rule.
  { agent: 'clerk', tool: 'add_entry', arguments: { amount: 500 }, isPermitted: false },
  { agent: 'reader', tool: 'add_entry', arguments: { amount: 5 }, isPermitted: false },
  { agent: 'clerk', tool: 'close_ledger', arguments: {}, isPermitted: false },
  { agent: 'clerk', tool: 'read_entry', arguments: { all: true }, isPermitted: false },
  { agent: 'keeper', tool: 'wipe_ledger', arguments: {}, isPermitted: false },
]

const RULES: Record<string, JsonObject> = {
  read_entry: { needs: 'ledger:read', risk: 'read' },
  add_entry: { needs: 'ledger:write', risk: 'write', when: 'args.amount <= 100.0' },
  close_ledger: { needs: 'ledger:close', risk: 'dangerous' },
}

/** One organization, three agents, and the same rules for the guarded server and the one behind the gateway. */
export function ledgerPolicy(urls: Record<string, string>, offer: ServerOffer): JsonObject {
  const definitions = toDefinitions(offer)
  const tools: JsonObject = {}
  for (const { name, definition, inputSchema } of definitions)
    if (RULES[name] && definition && inputSchema)
      tools[name] = { ...RULES[name], definition, input: inputSchema }
  const agent = (...roles: string[]) => ({ owner: 'ada@chaos.test', ceiling: ['ledger:*'], roles })
  return {
    version: 1,
    organization: 'chaos',
    people: { 'ada@chaos.test': { name: 'Ada' } },
    permissions: {
      'ledger:read': { risk: 'read' },
      'ledger:write': { risk: 'write' },
      'ledger:close': { risk: 'dangerous' },
    },
    roles: {
      reading: { permissions: ['ledger:read'] },
      writing: { permissions: ['ledger:write'] },
      closing: { permissions: ['ledger:close'] },
    },
    servers: Object.fromEntries(
      Object.entries(urls).map(([name, url]) => [name, { url, mode: 'enforce', tools }]),
    ),
    agents: { clerk: agent('reading', 'writing'), reader: agent('reading'), keeper: agent('closing') },
  }
}
