import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { anyCovers } from '@valetkey/sdk/core'
import { allPages, type Session } from '../session.ts'

type Tool = Output<AdminApi['tools']['map']>
type Agent = Output<AdminApi['agents']['get']>

/** What somebody may do on one resource and below it, by one role. */
export type Reach = Output<AdminApi['access']['reach']>['items'][number]

/** A tool that somebody could call, and on which resources. */
export interface ReachableTool extends Pick<Tool, 'kind' | 'name' | 'permission' | 'risk' | 'condition'> {
  server: string
  on: string[]
}

/**
 * The tools of all servers that an agent could call with the right arguments: it holds the permission where the rule
 * looks for it, and its tokens may carry it. `shut` counts those that only the state of the server keeps from it.
 */
export async function toolsInReach(
  { api }: Session,
  agent: Pick<Agent, 'ceiling'>,
  reach: readonly Reach[],
): Promise<{ open: ReachableTool[]; shut: number }> {
  const servers = await allPages(page => api.servers.list(page))
  const open: ReachableTool[] = []
  let shut = 0
  for (const server of servers) {
    const tools = await allPages(page => api.tools.list({ ...page, server: server.id }))
    for (const tool of tools) {
      const on = placesFor(tool, reach)
      if (on.length === 0 || !anyCovers(agent.ceiling, tool.permission)) continue
      const isApproved = tool.drift !== 'changed' && (tool.kind !== 'tool' || tool.definition !== null)
      if (server.status !== 'active' || !isApproved) shut += 1
      else open.push({ server: server.name, on, ...partOf(tool) })
    }
  }
  return { open, shut }
}

/** Where the permission is held; a rule that names no resource asks for it on the whole organization. */
function placesFor({ permission, resource }: Tool, reach: readonly Reach[]): string[] {
  const places = reach
    .filter(({ permissions }) => permissions.some(({ slug }) => slug === permission))
    .map(({ via }) => via.on)
  return resource === null ? places.filter(place => place.startsWith('organization/')) : places
}

function partOf({ kind, name, permission, risk, condition }: Tool) {
  return { kind, name, permission, risk, condition }
}
