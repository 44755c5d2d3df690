import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { parseRef } from '@valetkey/sdk/engine'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { assignmentView } from '../policy/assignment-view.ts'
import { addCommand, addGroup, allPages, type Session, wholeNumber, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { registerImport } from './import/index.ts'
import { drawTree, growTree, type TreeNode } from './resource-tree.ts'
import { registerTypes } from './resource-type.ts'

type Resource = Output<AdminApi['resources']['get']>

const view: View<Resource> = {
  kind: 'Resource',
  name: refOf,
  columns: [
    { header: 'RESOURCE', value: refOf },
    { header: 'NAME', value: resource => resource.name },
    { header: 'BELOW', value: resource => resource.parent },
    { header: 'PATH', value: resource => resource.path, wide: true },
    { header: 'ORGANIZATION', value: resource => resource.organization, wide: true },
  ],
}

const treeView: View<TreeNode & { cut: boolean }> = {
  kind: 'ResourceTree',
  name: node => node.resource,
  columns: [{ header: 'RESOURCE', value: node => node.resource }],
}

/** Type and id as commands take them: the last two parts of the path. */
function refOf({ path, type, id }: Resource): string {
  return path.split('/').slice(-2).join('/') || `${type}/${id}`
}

const LIMIT = 1000

/** Resources: what roles are given on, as a tree that mirrors the product. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'resource', {
    summary: 'Resources: list, register, move, import, and their types',
    examples: [
      ['valetkey resource tree', 'what there is, from the top'],
      ['valetkey resource import invoices.csv', 'register many'],
    ],
  })
  registerReading(group, io)
  registerWriting(group, io)
  registerImport(group, io)
  registerTypes(group, io)
}

function registerReading(group: Command, io: Io): void {
  addCommand(group, 'ls [type]', {
    summary: 'List resources: all, those of a type, or those directly below another',
    examples: [
      ['valetkey resource ls customer', 'of a type'],
      ['valetkey resource ls --below customer/acme -o csv', 'directly below one, for a spreadsheet'],
    ],
  })
    .option('--below <resource>', 'directly below this one, as customer/acme')
    .option('--limit <count>', 'at most so many', wholeNumber, LIMIT)
    .action(withSession(io, list))
  addCommand(group, 'get <resource>', {
    summary: 'Show a resource and the roles that were given on it',
    examples: [
      ['valetkey resource get invoice/INV-1', 'by type and id'],
      ['valetkey resource get customer/acme --json', 'for a script'],
    ],
  }).action(withSession(io, get))
  addCommand(group, 'tree [resource]', {
    summary: 'Draw resources as a tree, from the top or from one of them',
    examples: [
      ['valetkey resource tree', 'the whole, as far as it fits'],
      ['valetkey resource tree customer/acme --depth 1', 'what lies directly below one'],
    ],
  })
    .option('--limit <count>', 'at most so many resources', wholeNumber, 100)
    .option('--depth <count>', 'at most so many levels', wholeNumber, 32)
    .action(withSession(io, tree))
}

function registerWriting(group: Command, io: Io): void {
  addCommand(group, 'add <resource>', {
    summary: 'Register a resource, or give it another name; the same again changes nothing',
    examples: [
      ['valetkey resource add customer/acme --name "Acme Corp"', 'below the organization'],
      ['valetkey resource add invoice/INV-1 --below customer/acme', 'below another one'],
    ],
  })
    .option('--below <resource>', 'the one that it lies below; else the organization')
    .option('--name <text>', 'name for people')
    .action(withSession(io, add))
  addCommand(group, 'mv <resource> <parent>', {
    summary: 'Put a resource, with everything below it, below another one',
    examples: [
      ['valetkey resource mv invoice/INV-1 customer/globex', 'to another customer'],
      ['valetkey resource mv customer/acme organization/northwind', 'to the top'],
    ],
  }).action(withSession(io, move))
  addConfirmOptions(
    addCommand(group, 'rm <resource>', {
      summary: 'Remove a resource; an id that comes back later inherits nothing',
      examples: [
        ['valetkey resource rm invoice/INV-1 --yes', 'one that nothing depends on'],
        ['valetkey resource rm customer/acme --cascade --dry-run', 'see what that touches'],
      ],
    }).option('--cascade', 'with everything below it and every role given there'),
  ).action(withSession(io, remove))
}

async function list(
  { api, organization, print }: Session,
  type: string | undefined,
  { below, limit }: { below?: string; limit: number },
): Promise<void> {
  const filter = { ...organization, type, parent: below }
  const found = await allPages(page => api.resources.list({ ...filter, ...page }), limit + 1)
  print.list(view, found.slice(0, limit))
  if (found.length > limit)
    print.note(`There are more than ${limit}: add --limit, or name a type or --below.`)
}

async function get({ api, organization, print }: Session, resource: string): Promise<void> {
  const found = await api.resources.get({ ...organization, resource })
  if (!print.human) return print.item(view, found)
  print.item({ ...view, columns: view.columns.filter(({ header }) => header !== 'ORGANIZATION') }, found)
  const given = await allPages(page => api.assignments.list({ ...page, ...organization, resource }))
  if (given.length === 0) return
  print.say('')
  print.list(assignmentView, given)
}

async function tree(
  session: Session,
  resource: string | undefined,
  options: { limit: number; depth: number },
): Promise<void> {
  const { print, io } = session
  const grown = await growTree(session, resource, options)
  if (!print.human) {
    print.item(treeView, { ...grown.root, cut: grown.cut })
    return
  }
  for (const line of drawTree(grown.root, io.out.isTerminal ? (io.out.columns ?? 80) : undefined))
    print.say(line)
  if (grown.cut)
    print.note(
      'The tree is cut: "…" stands for more. Name a resource to begin there, or add --limit or --depth.',
    )
}

async function add(
  { api, organization, print }: Session,
  text: string,
  { below, name }: { below?: string; name?: string },
): Promise<void> {
  const ref = parseRef(text)
  if (!ref)
    throw new UsageError(
      `"${text}" is not a resource.`,
      'A resource is named by its type and its id.',
      'Write it as invoice/INV-1; a "/" inside the id is written as %2F.',
    )
  print.item(view, await api.resources.put({ ...organization, ...ref, name, parent: below }))
}

async function move({ api, organization, print }: Session, resource: string, parent: string): Promise<void> {
  print.item(view, await api.resources.move({ ...organization, resource, parent }))
}

async function remove(
  session: Session,
  resource: string,
  options: ConfirmOptions & { cascade?: boolean },
): Promise<void> {
  const { api, organization, print } = session
  const found = await api.resources.get({ ...organization, resource })
  const [below, given] = await Promise.all([
    api.resources.list({ ...organization, parent: resource, limit: 200 }),
    allPages(page => api.assignments.list({ ...page, ...organization, resource })),
  ])
  const some = below.next === null ? String(below.items.length) : 'more than 200'
  const roles = given.length === 1 ? '1 role' : `${given.length} roles`
  const preview = [
    `${found.path}: ${some} directly below it, ${roles} given on it.`,
    options.cascade
      ? 'All that goes with it. Grants and roles do not come back if the id does.'
      : 'It stays as long as anything depends on it; --cascade removes that as well.',
  ]
  if (!(await confirm(session, { name: resource, preview }, options))) return
  const cascade = options.cascade ? 'true' : 'false'
  const removed = await api.resources.remove({ ...organization, resource, cascade, reason: options.reason })
  const columns = [...view.columns, { header: 'REMOVED', value: (item: typeof removed) => item.removed }]
  print.item({ ...view, columns }, removed)
}
