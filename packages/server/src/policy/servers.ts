import { canonicalJson, type Mode } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import { MAPS, type MapName, type Policy, type ServerPolicy, type ToolRule } from './format.ts'
import { all, at, differences, type Run, refuse } from './run.ts'

type Tool = directory.OutputOf<'tools', 'map'>
type MapInput = directory.InputOf<'tools', 'map'>

/** Registers or changes every named server, and makes its tool map exactly what the policy says. */
export async function applyServers(run: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listServers(run.ctx, page))
  for (const [name, server] of Object.entries(policy.servers)) {
    const before = standing.find(one => one.name === name)
    const id = before ? await change(run, before, server) : await create(run, name, server)
    await applyMap(run, { id, name }, server)
  }
  // Once all are there that the policy names.
  for (const [name, { forwards }] of Object.entries(policy.servers))
    if (forwards) await applyForwards(run, name, forwards)
}

/** Makes the servers that one may call for others exactly those that the policy says. */
async function applyForwards(
  { ctx, changes }: Run,
  server: string,
  wanted: readonly string[],
): Promise<void> {
  const standing = await all(page => directory.listForwards(ctx, { ...page, server }))
  const held = new Set(standing.map(({ to }) => to))
  for (const [index, to] of wanted.entries()) {
    if (held.delete(to)) continue
    const path = ['servers', server, 'forwards', String(index)]
    await at(path, directory.allowForward(ctx, { server, to }))
    changes.push({ sign: '+', kind: 'forward', name: `${server} -> ${to}`, detail: 'for those who call it' })
  }
  for (const to of [...held].sort()) {
    await directory.disallowForward(ctx, { server, to, reason: '' })
    changes.push({ sign: '-', kind: 'forward', name: `${server} -> ${to}`, detail: 'refused from now on' })
  }
}

async function create({ ctx, changes }: Run, name: string, policy: ServerPolicy): Promise<string> {
  const path = ['servers', name]
  const { url } = policy
  const { mode = 'enforce', observeUntil } = modeOf(ctx, path, policy)
  if (url === undefined)
    refuse(path, `The server "${name}" is not registered yet: say its public URL as "url".`)
  const { id } = await at(path, directory.createServer(ctx, { name, url, mode, observeUntil }))
  changes.push({ sign: '+', kind: 'server', name, detail: `${url}, ${mode}` })
  return id
}

async function change(
  { ctx, changes }: Run,
  before: directory.OutputOf<'servers', 'get'>,
  policy: ServerPolicy,
): Promise<string> {
  const { id, name } = before
  const path = ['servers', name]
  const { url } = policy
  const update = {
    ...(url !== undefined && { url: directory.canonicalUrl(url) }),
    ...modeOf(ctx, path, policy),
  }
  const detail = differences(before, update)
  if (detail) {
    await at(path, directory.updateServer(ctx, { id, ...update }))
    changes.push({ sign: '~', kind: 'server', name, detail })
  }
  return id
}

/** The mode that a policy asks for now: an observation that has ended is none. */
function modeOf(
  ctx: Run['ctx'],
  path: readonly string[],
  { mode, observeUntil }: ServerPolicy,
): { mode?: Mode; observeUntil?: string } {
  if (observeUntil === undefined) return mode === undefined ? {} : { mode }
  if (mode !== 'observe') refuse([...path, 'observeUntil'], 'Only the mode "observe" has an end.')
  const until = new Date(observeUntil)
  return until.getTime() <= ctx.now() ? { mode: 'enforce' } : { mode, observeUntil: until.toISOString() }
}

async function applyMap(run: Run, server: { id: string; name: string }, policy: ServerPolicy): Promise<void> {
  const { ctx, changes } = run
  const standing = await all(page => directory.listTools(ctx, { ...page, server: server.id }))
  const held = new Map(standing.map(tool => [`${tool.kind}:${tool.name}`, tool]))
  for (const map of Object.keys(MAPS) as MapName[])
    for (const [name, rule] of Object.entries(policy[map])) {
      const input = toInput(server.id, map, name, rule)
      const before = held.get(`${input.kind}:${name}`)
      held.delete(`${input.kind}:${name}`)
      const detail = before ? ruleDifferences(before, input) : `needs ${rule.needs}`
      if (!detail) continue
      await at(['servers', server.name, map, name], directory.mapTool(ctx, input))
      changes.push({ sign: before ? '~' : '+', kind: input.kind, name: `${server.name}.${name}`, detail })
    }
  for (const [, tool] of [...held].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await directory.unmapTool(ctx, { server: server.id, id: tool.id })
    changes.push({
      sign: '-',
      kind: tool.kind,
      name: `${server.name}.${tool.name}`,
      detail: 'refused from now on',
    })
  }
}

function toInput(server: string, map: MapName, name: string, rule: ToolRule): MapInput {
  const {
    needs,
    resource = null,
    when = null,
    risk = 'dangerous',
    mode = null,
    definition = null,
    input = null,
  } = rule
  const fields = { permission: needs, resource, condition: when, risk, mode, definition, inputSchema: input }
  return { server, kind: MAPS[map], name, ...fields }
}

/** A rule is whole: what the policy leaves out is not there. */
function ruleDifferences(before: Tool, after: MapInput): string {
  const { permission: needs, resource, condition: when, risk, mode, definition } = after
  const was = {
    needs: before.permission,
    resource: before.resource,
    when: before.condition,
    risk: before.risk,
    mode: before.mode,
    definition: before.definition,
  }
  const diff = differences(was, { needs, resource, when, risk, mode, definition })
  const isSameInput = canonicalJson(before.inputSchema) === canonicalJson(after.inputSchema)
  return [diff, ...(isSameInput ? [] : ['input'])].filter(part => part !== '').join(', ')
}
