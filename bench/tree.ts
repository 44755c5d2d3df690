import type { AssignmentFact, CatalogueOp, OrganizationOp, ResourceRow } from '@valetkey/sdk/core'
import { pseudoRandom } from './measure.ts'

/** The resource types of benches, from the top; each lies below the one before it, the first below the organization. */
export const TYPES = ['workspace', 'project', 'document'] as const
export type Type = (typeof TYPES)[number]

/** A resource by its own names; `parent` is null directly below the organization. */
export interface Node {
  type: Type
  id: string
  seq: number
  parent: Node | null
}

/** Who was given which role where. */
export interface Given {
  principal: string
  seq: number
  role: string
  node: Node
}

/**
 * An organization > workspace > project > document, with one assignment for every ten resources, a tenth of them to
 * groups. The same in every run.
 */
export interface Tree {
  nodes: Node[]
  /** In the order of `nodes`. */
  childrenOf: Map<Node, Node[]>
  given: Given[]
  people: string[]
  /** By person. */
  groupsOf: Map<string, string[]>
}

export const ORGANIZATION = 'org_bench'
export const ROLES: Record<string, { type: Type; permissions: string[] }> = Object.fromEntries(
  TYPES.flatMap((type, level) => {
    const below = TYPES.slice(level)
    const reading = below.map(one => `${one}:read`)
    return [
      [`${type}-viewer`, { type, permissions: reading }],
      [`${type}-editor`, { type, permissions: [...reading, ...below.map(one => `${one}:write`)] }],
    ]
  }),
)

const PROJECTS_PER_WORKSPACE = 50
const RESOURCES_PER_PROJECT = 20
const RESOURCES_PER_PERSON = 100
const RESOURCES_PER_ASSIGNMENT = 10
const GROUPS = 50
/** Where roles are given, as a share: on workspaces, on projects, and the rest on documents. */
const ON_WORKSPACES = 0.05
const ON_PROJECTS = 0.4

export function growTree(resources: number): Tree {
  const random = pseudoRandom(7)
  const { nodes, childrenOf } = growNodes(resources, random)
  const people = Array.from({ length: Math.max(100, resources / RESOURCES_PER_PERSON) }, (_, i) => `usr_${i}`)
  const groups = Array.from({ length: GROUPS }, (_, i) => `grp_${i}`)
  const groupsOf = new Map(people.map((person, i) => [person, i % 2 === 0 ? [pick(groups, random)] : []]))
  const byType = new Map(TYPES.map(type => [type, nodes.filter(node => node.type === type)]))
  const given = Array.from({ length: resources / RESOURCES_PER_ASSIGNMENT }, (_, i): Given => {
    const share = random()
    const type = share < ON_WORKSPACES ? 'workspace' : share < ON_PROJECTS ? 'project' : 'document'
    const isGroup = i % 10 === 0
    const principal = pick(isGroup ? groups : people, random)
    return {
      principal,
      seq: seqOf(principal),
      role: `${type}-${random() < 0.5 ? 'viewer' : 'editor'}`,
      node: pick(byType.get(type) ?? [], random),
    }
  })
  return { nodes, childrenOf, given, people, groupsOf }
}

function growNodes(resources: number, random: () => number): Pick<Tree, 'nodes' | 'childrenOf'> {
  const nodes: Node[] = []
  const childrenOf = new Map<Node, Node[]>()
  const projects = Math.max(1, Math.round(resources / RESOURCES_PER_PROJECT))
  const counts = { workspace: Math.max(1, Math.round(projects / PROJECTS_PER_WORKSPACE)), project: projects }
  let above: Node[] = []
  for (const type of TYPES) {
    const count = type === 'document' ? resources - nodes.length : counts[type]
    const level: Node[] = []
    for (let i = 0; i < count; i++) {
      const parent = type === 'workspace' ? null : pick(above, random)
      const node: Node = {
        type,
        id: `${type.slice(0, 3)}-${String(i).padStart(8, '0')}`,
        seq: nodes.length + 2,
        parent,
      }
      nodes.push(node)
      level.push(node)
      const siblings = parent && childrenOf.get(parent)
      if (siblings) siblings.push(node)
      else if (parent) childrenOf.set(parent, [node])
    }
    above = level
  }
  return { nodes, childrenOf }
}

/** Groups are numbered from 1 on, people after them. */
export function seqOf(principal: string): number {
  const [kind, number] = principal.split('_')
  return Number(number) + 1 + (kind === 'grp' ? 0 : GROUPS)
}

export function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T
}

/** Types, permissions and roles of the tree. */
export function catalogueOps(): CatalogueOp[] {
  const types = TYPES.map((slug, level): CatalogueOp => {
    const parents = [level === 0 ? 'organization' : `rty_${TYPES[level - 1]}`]
    return {
      fact: 'resource_type',
      id: `rty_${slug}`,
      value: { id: `rty_${slug}`, slug, parents, instances: 'registered' },
    }
  })
  const permissions = TYPES.flatMap(type =>
    ['read', 'write'].map((verb, bit): CatalogueOp => {
      const id = `prm_${type}_${verb}`
      const fact = { id, slug: `${type}:${verb}`, type: `rty_${type}`, bit, condition: null } as const
      return { fact: 'permission', id, value: { ...fact, risk: 'read' } }
    }),
  )
  const roles = Object.entries(ROLES).map(([slug, { type, permissions }]): CatalogueOp => {
    return {
      fact: 'role',
      id: `rol_${slug}`,
      value: { id: `rol_${slug}`, slug, type: `rty_${type}`, permissions },
    }
  })
  return [...types, ...permissions, ...roles]
}

/** All facts of the organization, with strings of their own, as they arrive from a database or over the feed. */
export function organizationOps(tree: Tree): OrganizationOp[] {
  const { people, groupsOf } = tree
  const ops: OrganizationOp[] = [
    { fact: 'organization', id: ORGANIZATION, value: { id: ORGANIZATION, slug: 'bench', status: 'active' } },
  ]
  const groups = Array.from({ length: GROUPS }, (_, i) => `grp_${i}`)
  for (const id of [...people, ...groups]) {
    const kind = id.startsWith('grp') ? 'group' : 'user'
    const value = { id, seq: seqOf(id), kind, name: id, status: 'active' } as const
    ops.push({ fact: 'principal', id, value })
  }
  ops.push(...resourceOps(tree), ...assignmentOps(tree))
  for (const [person, of] of groupsOf)
    for (const group of of) {
      const value = { group: seqOf(group), member: seqOf(person) }
      ops.push({ fact: 'member', id: `${value.group}.${value.member}`, value })
    }
  return JSON.parse(JSON.stringify(ops)) as OrganizationOp[]
}

const BLOCK = 10_000

function resourceOps({ nodes }: Tree): OrganizationOp[] {
  const ops: OrganizationOp[] = [
    { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'bench', null]] } },
  ]
  for (const type of TYPES) {
    const rows = nodes
      .filter(node => node.type === type)
      .map((node): ResourceRow => [node.seq, node.id, node.parent?.seq ?? 1])
    for (let from = 0; from < rows.length; from += BLOCK) {
      const block = rows.slice(from, from + BLOCK)
      ops.push({ fact: 'resource', id: String(block[0]?.[0]), value: { type: `rty_${type}`, rows: block } })
    }
  }
  return ops
}

function assignmentOps({ given }: Tree): OrganizationOp[] {
  return given.map(({ seq, role, node }, i) => {
    // As long as real ids are.
    const id = `asg_${String(i).padStart(26, '0')}`
    const value: AssignmentFact = {
      ...{ id, principal: seq, resource: node.seq, role: `rol_${role}` },
      ...{ source: 'direct', expiresAt: null, createdBy: 'usr_0' },
    }
    return { fact: 'assignment', id, value }
  })
}
