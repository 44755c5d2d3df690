import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type RuleMode } from '../core/index.ts'
import { type Decision, type DecisionRequest, decide } from './index.ts'
import { ACME, assign, BOT, call, northwind, server } from './testing/northwind.ts'

const tool = (definition: string | null, mode: RuleMode | null = null): CatalogueOp => ({
  fact: 'tool',
  id: 'send',
  value: {
    ...{ id: 'send', server: 'srv_1', kind: 'tool', name: 'send', permission: 'invoice:read' },
    ...{ resource: 'invoice/{args.id}', inputSchema: { properties: { id: { type: 'string' } } } },
    ...{ definition, condition: null, risk: 'write', mode },
  },
})

/** What is said of a call of a tool, with something of the catalogue changed. */
function said(
  action: Partial<DecisionRequest['action']> = {},
  ops: CatalogueOp[] = [tool('sha256-a')],
  more: Partial<DecisionRequest> = {},
): Decision {
  const snapshot = northwind(assign(BOT, 'reader', ACME))
  expect(snapshot.apply({ organization: CATALOGUE, revision: 2, ops })).toBe(true)
  const request = { ...call('send', { id: 'INV-1' }), ...more }
  const asked = { kind: 'tool', definition: 'sha256-a', ...action } as const
  return decide({ ...request, action: { ...request.action, ...asked } }, snapshot)
}

test('a decision says all that it was made on', () => {
  expect(said()).toEqual({
    ...{ id: 'dec_1', decision: 'permit', reason: 'permitted', detail: null, failed: null },
    ...{ mode: 'enforce', risk: 'write', permission: 'invoice:read', definition: 'sha256-a' },
    ...{ resource: 'customer/acme/invoice/INV-1', otherResources: [], legs: [], missing: null },
    assignments: [{ id: `asg_${BOT}_reader_${ACME}`, role: 'reader', createdBy: 'usr_1' }],
    revision: { catalogue: 2, organization: 1 },
  })
})

test('of what nobody mapped, and of who is not known, the worst is said', () => {
  const nothing = {
    ...{ id: 'dec_1', decision: 'deny', mode: 'enforce', risk: 'dangerous', permission: null },
    ...{ definition: null, resource: null, otherResources: [], assignments: [], legs: [], missing: null },
  }
  expect(said({ name: 'drop_db' })).toEqual({
    ...nothing,
    ...{ reason: 'tool_unmapped', detail: 'drop_db', failed: 'tool' },
    revision: { catalogue: 2, organization: 1 },
  })
  const { caller } = call('send')
  expect(said({}, [], { caller: { ...caller, organization: 'org_2' } })).toEqual({
    ...nothing,
    ...{ reason: 'stale', detail: 'the organization is not loaded', failed: 'state' },
    revision: { catalogue: 2, organization: -1 },
  })
  expect(said({}, [], { server: 'srv_9' })).toEqual({
    ...nothing,
    ...{ reason: 'stale', detail: 'this MCP server is not known here', failed: 'state' },
    revision: { catalogue: 2, organization: 1 },
  })
})

test('a call is decided in the mode of its rule, and without one in that of its server', () => {
  const mode = (own: RuleMode | null, name = 'send') =>
    said({ name }, [server('audit'), tool('sha256-a', own)]).mode
  expect([mode(null), mode('enforce'), mode('audit')]).toEqual(['audit', 'enforce', 'audit'])
  expect(mode('enforce', 'drop_db')).toBe('audit')
})

test('a tool whose definition nobody approved is closed, also where none is shown', () => {
  for (const definition of [null, 'sha256-a'])
    expect(said({ definition }, [tool(null)]).reason).toBe('tool_changed')
  expect(said({ definition: null }).reason).toBe('tool_changed')
})
