import { AppError, CATALOGUE, canonicalJson, isId, newId } from '@valetkey/sdk/core'
import { checkRule } from '@valetkey/sdk/engine'
import { beginChange, type Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { parseObject, type Row, toolFact } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getServer, quote } from '../reference.ts'
import { refuseUnmatchable } from '../resources/template-types.ts'
import { getPermission } from '../roles/permissions.ts'

type Tool = OutputOf<'tools', 'map'>
type Rule = InputOf<'tools', 'map'>

function tools(db: Db, serverId: string) {
  return db
    .selectFrom('tool')
    .innerJoin('permission', 'permission.id', 'tool.permissionId')
    .leftJoin('seenDefinition as seen', join =>
      join
        .onRef('seen.serverId', '=', 'tool.serverId')
        .onRef('seen.kind', '=', 'tool.kind')
        .onRef('seen.name', '=', 'tool.name'),
    )
    .selectAll('tool')
    .select(['permission.slug as permission', 'seen.definition as seenDefinition', 'seen.seenAt'])
    .where('tool.serverId', '=', serverId)
}

type ToolRow = Awaited<ReturnType<typeof findTool>> & {}

function findTool(db: Db, serverId: string, kind: Tool['kind'], name: string) {
  return tools(db, serverId).where('tool.kind', '=', kind).where('tool.name', '=', name).executeTakeFirst()
}

function toTool(row: ToolRow): Tool {
  const { id, serverId, kind, name, permission, definition, inputSchema, resource, condition, risk, mode } =
    row
  return {
    id,
    server: serverId,
    kind,
    name,
    permission,
    definition,
    inputSchema: parseObject(inputSchema),
    resource,
    condition,
    risk,
    mode,
    drift: driftOf(row),
  }
}

function driftOf(row: ToolRow): Tool['drift'] {
  if (row.seenAt === null) return 'unseen'
  return row.seenDefinition === row.definition || row.kind !== 'tool' ? 'none' : 'changed'
}

export async function listTools(
  ctx: Context,
  input: InputOf<'tools', 'list'>,
): Promise<OutputOf<'tools', 'list'>> {
  const server = await getServer(ctx.store.db, input.server)
  const read = (after: string, limit: number) =>
    tools(ctx.store.db, server.id).where('tool.id', '>', after).orderBy('tool.id').limit(limit).execute()
  return readPage(ctx, `tools:${server.id}`, input, read, toTool)
}

/**
 * Says which permission a tool (resource, prompt, method) needs, and pins the definition that was approved: a tool that
 * says something else later is refused until it is mapped again. The same rule again changes nothing.
 */
export async function mapTool(ctx: Context, input: Rule): Promise<Tool> {
  refuseUnusable(input)
  const server = await getServer(ctx.store.db, input.server)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const permission = await getPermission(tx, input.permission)
    await refuseUnmatchable(tx, input.resource, permission)
    const before = await findTool(tx, server.id, input.kind, input.name)
    const row: Row<'tool'> = {
      id: before?.id ?? newId('tool', ctx.now()),
      serverId: server.id,
      kind: input.kind,
      name: input.name,
      permissionId: permission.id,
      definition: input.definition,
      inputSchema: input.inputSchema === null ? null : JSON.stringify(input.inputSchema),
      resource: input.resource,
      condition: input.condition,
      risk: input.risk,
      mode: input.mode,
      frozenAt: before?.frozenAt ?? null,
    }
    const fact = toolFact(row, permission.slug)
    const old = before && toolFact(before, before.permission)
    if (before && canonicalJson(old) === canonicalJson(fact)) return toTool(before)
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    const { id, ...update } = row
    if (before) await tx.updateTable('tool').set(update).where('id', '=', id).execute()
    else await tx.insertInto('tool').values(row).execute()
    await change.log({ fact: 'tool', id, value: fact })
    const detail = { server: server.id, before: old ? summary(old) : null, after: summary(fact) }
    await recordBy(ctx, tx, { organization: null, type: 'tool.mapped', target: id, detail })
    const after = await findTool(tx, server.id, input.kind, input.name)
    if (!after) throw new Error(`tool ${id} is gone within its own transaction`)
    return toTool(after)
  })
}

/** Removes a rule, by its id or by the tool's name. */
export async function unmapTool(
  ctx: Context,
  input: InputOf<'tools', 'unmap'> & { reason?: string | undefined },
): Promise<Tool> {
  const server = await getServer(ctx.store.db, input.server)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const before = isId(input.id, 'tool')
      ? await tools(tx, server.id).where('tool.id', '=', input.id).executeTakeFirst()
      : await findTool(tx, server.id, 'tool', input.id)
    if (!before)
      throw new AppError(
        'not_found',
        `No rule for ${quote(input.id)} on the MCP server ${quote(server.name)}.`,
      )
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.deleteFrom('tool').where('id', '=', before.id).execute()
    await change.log({ fact: 'tool', id: before.id, value: null })
    const { reason } = input
    const rule = summary(toolFact(before, before.permission))
    const detail = { server: server.id, before: rule, after: null, ...(reason !== undefined && { reason }) }
    await recordBy(ctx, tx, { organization: null, type: 'tool.unmapped', target: before.id, detail })
    return toTool(before)
  })
}

function refuseUnusable(rule: Rule): void {
  const name = quote(rule.name)
  if (rule.kind === 'tool' && (rule.definition === null || rule.inputSchema === null))
    throw new AppError(
      'policy.invalid',
      `The rule for ${name} pins no definition and input schema. Run "valetkey server scan" to read them from the server.`,
      { path: rule.definition === null ? 'definition' : 'inputSchema' },
    )
  if (rule.kind === 'resource' && rule.name.slice(0, -1).includes('*'))
    throw new AppError('policy.invalid', `In ${name} a "*" may stand only at the end.`, { path: 'name' })
  const fault = checkRule(rule)
  if (fault !== null)
    throw new AppError('policy.invalid', fault, {
      path: fault.startsWith('The condition') ? 'condition' : 'resource',
    })
}

/** What an audit event says of a rule: all but the schema, which the definition's hash stands for. */
function summary(fact: ReturnType<typeof toolFact>) {
  const { inputSchema: _, frozen, ...rest } = fact
  return { ...rest, ...(frozen && { frozen }) }
}
