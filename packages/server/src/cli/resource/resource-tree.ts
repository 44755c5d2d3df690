import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { findOwnOrganization } from '../find.ts'
import { allPages, type Session } from '../session.ts'
import { printable } from '../terminal/index.ts'

type Resource = Output<AdminApi['resources']['get']>

/** A resource with what was read of what lies below it. */
export interface TreeNode {
  resource: string
  type: string
  id: string
  name: string
  children: TreeNode[]
  /** Whether more lies below it than is here. */
  more: boolean
}

/**
 * Reads resources from one of them down, level by level, so that where a limit cuts it cuts at the bottom; and within a
 * level the same share for each, so that one with ten thousand below it leaves room for its neighbours.
 */
export async function growTree(
  session: Session,
  from: string | undefined,
  { limit, depth }: { limit: number; depth: number },
): Promise<{ root: TreeNode; cut: boolean }> {
  const { api, organization } = session
  const start = from ?? `organization/${(await findOwnOrganization(session)).slug}`
  const root = toNode(await api.resources.get({ ...organization, resource: start }))
  const canHold = await typesThatHoldOthers(session)
  let left = limit
  let level = [root]
  for (let at = 0; level.length > 0; at++) {
    const parents = level.filter(({ type }) => canHold(type))
    level = []
    for (const [place, parent] of parents.entries()) {
      const share =
        at === depth ? 0 : Math.max(Math.min(left, 3), Math.floor(left / (parents.length - place)))
      // One more than is shown says whether there are more.
      const below = await allPages(
        page => api.resources.list({ ...organization, ...page, parent: parent.resource }),
        share + 1,
      )
      parent.more = below.length > share
      parent.children = below.slice(0, share).map(toNode)
      left -= parent.children.length
      level.push(...parent.children)
    }
  }
  return { root, cut: isCut(root) }
}

/** Most resources are of types that hold nothing: those need not be asked for what is below them. */
async function typesThatHoldOthers({ api }: Session): Promise<(type: string) => boolean> {
  const types = await allPages(page => api.resourceTypes.list(page))
  const parents = new Set(types.flatMap(type => type.parents))
  return type => parents.has(type)
}

function toNode({ path, type, id, name }: Resource): TreeNode {
  const resource = path.split('/').slice(-2).join('/')
  return { resource, type, id, name, children: [], more: false }
}

function isCut(node: TreeNode): boolean {
  return node.more || node.children.some(isCut)
}

/** The tree as lines, shortened to the width of a terminal. */
export function drawTree(root: TreeNode, width: number | undefined): string[] {
  return [label(root), ...drawBelow(root, '')].map(line => {
    const letters = [...line]
    return width === undefined || letters.length <= width ? line : `${letters.slice(0, width - 1).join('')}…`
  })
}

function drawBelow({ children, more }: TreeNode, indent: string): string[] {
  const lines = children.flatMap((child, at) => {
    const isLast = at === children.length - 1 && !more
    const branch = isLast ? '└─ ' : '├─ '
    return [`${indent}${branch}${label(child)}`, ...drawBelow(child, `${indent}${isLast ? '   ' : '│  '}`)]
  })
  return more ? [...lines, `${indent}└─ …`] : lines
}

function label({ resource, name }: TreeNode): string {
  return printable(name === '' ? resource : `${resource}  ${name}`)
}
