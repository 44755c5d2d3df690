import { pseudoRandom } from './measure.ts'
import { type Node, pick, ROLES, type Tree, TYPES } from './tree.ts'

/** May somebody do something on a resource? All by the names that an application has. */
export interface Asked {
  principal: string
  permission: string
  type: string
  id: string
}

/** What access means, with sets alone: what the index is compared with. */
export function createOracle({
  given,
  groupsOf,
}: Tree): (principal: string, permission: string, node: Node) => boolean {
  const permissionsOf = new Map<string, Set<string>>()
  for (const { principal, role, node } of given) {
    const place = `${principal} ${node.type}/${node.id}`
    const held = permissionsOf.get(place) ?? new Set()
    permissionsOf.set(place, held)
    for (const permission of ROLES[role]?.permissions ?? []) held.add(permission)
  }
  return (principal, permission, node) => {
    for (const subject of [principal, ...(groupsOf.get(principal) ?? [])])
      for (let at: Node | null = node; at; at = at.parent)
        if (permissionsOf.get(`${subject} ${at.type}/${at.id}`)?.has(permission)) return true
    return false
  }
}

/** Questions at random depth, half of which the oracle permits, with its answers. */
export function makeQuestions(tree: Tree, count: number, seed = 3): { asked: Asked[]; permitted: boolean[] } {
  const random = pseudoRandom(seed)
  const oracle = createOracle(tree)
  const asked: Asked[] = []
  const permitted: boolean[] = []
  while (asked.length < count) {
    const isPermitted = asked.length % 2 === 0
    const principal = pick(tree.people, random)
    const type = pick(TYPES, random)
    const node = isPermitted ? within(tree, principal, type, random) : randomNode(tree, type, random)
    const permission = `${type}:${random() < 0.7 ? 'read' : 'write'}`
    if (!node || node.type !== type || oracle(principal, permission, node) !== isPermitted) continue
    asked.push({ principal, permission, type, id: node.id })
    permitted.push(isPermitted)
  }
  return { asked, permitted }
}

const placesOf = new WeakMap<Tree, Map<string, Node[]>>()

/** A resource of a type at or below one on which somebody was given a role; undefined now and then. */
export function within(tree: Tree, person: string, type: string, random: () => number): Node | undefined {
  const places = placesOf.get(tree) ?? readPlaces(tree)
  placesOf.set(tree, places)
  const subjects = [person, ...(tree.groupsOf.get(person) ?? [])]
  const reached = subjects.flatMap(subject => places.get(subject) ?? [])
  let node: Node | undefined = reached.length > 0 ? pick(reached, random) : undefined
  while (node && node.type !== type) node = pick(tree.childrenOf.get(node) ?? [], random)
  return node
}

function readPlaces({ given }: Tree): Map<string, Node[]> {
  const places = new Map<string, Node[]>()
  for (const { principal, node } of given) {
    const list = places.get(principal)
    if (list) list.push(node)
    else places.set(principal, [node])
  }
  return places
}

function randomNode({ nodes }: Tree, type: string, random: () => number): Node {
  for (;;) {
    const node = pick(nodes, random)
    // Most resources are documents: other types would hardly ever be met.
    for (let at: Node | null = node; at; at = at.parent) if (at.type === type) return at
  }
}
