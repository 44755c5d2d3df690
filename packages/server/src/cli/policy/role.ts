import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { expiryOf } from '../expiry.ts'
import { findOwnOrganization, findRole } from '../find.ts'
import { findPrincipal, PRINCIPAL } from '../principal/principal.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { type Assignment, assignmentView } from './assignment-view.ts'

type Role = Output<AdminApi['roles']['get']>

const view: View<Role> = {
  kind: 'Role',
  name: role => role.slug,
  columns: [
    { header: 'ROLE', value: role => role.slug },
    { header: 'NAME', value: role => role.name },
    { header: 'PERMISSIONS', value: role => role.permissions.join(' ') },
    { header: 'TYPE', value: role => role.type },
    { header: 'WHOSE', value: role => (role.organization === null ? 'all' : 'own') },
    { header: 'ORGANIZATION', value: role => role.organization, wide: true },
    { header: 'ID', value: role => role.id, wide: true },
  ],
}

/** Roles: permissions by a name, and who has them. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'role', {
    summary: 'Roles: what they hold, and who has them',
    examples: [
      ['valetkey role create support --permission tickets:read,invoices:read', 'a role'],
      ['valetkey role assign support-bot support --on customer/acme', 'give it to an agent'],
    ],
  })
  registerRoles(group, io)
  registerAssignments(group, io)
}

function registerRoles(group: Command, io: Io): void {
  addCommand(group, 'ls', {
    summary: "List roles: everybody's, and the own ones of an organization",
    examples: [
      ['valetkey role ls', 'and what they hold'],
      ['valetkey role ls --org northwind', 'with the own ones of an organization'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'get <role>', {
    summary: 'Show a role and who has it',
    examples: [
      ['valetkey role get support', 'by its slug'],
      ['valetkey role get support -o yaml', 'as data'],
    ],
  }).action(withSession(io, get))
  addCommand(group, 'create <slug>', {
    summary: 'Create a role: for all organizations, or for one alone',
    examples: [
      ['valetkey role create support --permission tickets:read,invoices:read', 'given on the organization'],
      ['valetkey role create account-clerk --type customer --permission invoices:read', 'given on customers'],
    ],
  })
    .option('--permission <permissions>', 'what it holds; several times, or with commas', collect, [])
    .option('--name <text>', 'name for people')
    .option('--type <type>', 'what it is given on: a resource type; else the organization')
    .option('--organization', "the organization's own, known to no other; the one of --org, or the only one")
    .action(withSession(io, create))
  addCommand(group, 'set <role>', {
    summary: 'Change what a role holds, for everyone who has it, at once',
    examples: [
      ['valetkey role set support --permission tickets:read', 'exactly this'],
      ['valetkey role set support --add invoices:read --remove tickets:write', 'by difference'],
    ],
  })
    .option('--permission <permissions>', 'what it holds from then on, whole', collect)
    .option('--add <permissions>', 'what it holds in addition', collect)
    .option('--remove <permissions>', 'what it no longer holds', collect)
    .option('--name <text>', 'name for people')
    .action(withSession(io, set))
}

function registerAssignments(group: Command, io: Io): void {
  addCommand(group, 'assign <principal> <role>', {
    summary: `Give a role to ${PRINCIPAL}`,
    examples: [
      ['valetkey role assign support-bot support', 'on the whole organization, until it is taken away'],
      ['valetkey role assign group:finance account-clerk --on customer/acme --until 30d', 'on one resource'],
    ],
  })
    .option('--on <resource>', 'on this and all below it, as customer/acme; else the whole organization')
    .option('--until <time>', 'when it ends: 30d, 12h or 2027-01-31')
    .action(withSession(io, assign))
  addConfirmOptions(
    addCommand(group, 'unassign <principal> <role>', {
      summary: 'Take a role away, on one resource or wherever it was given',
      examples: [
        ['valetkey role unassign support-bot support --yes', 'wherever it was given'],
        [
          'valetkey role unassign maya@northwind.dev account-clerk --on customer/acme --dry-run',
          'look first',
        ],
      ],
    }).option('--on <resource>', 'only where it was given on this very resource'),
  ).action(withSession(io, unassign))
  addConfirmOptions(
    addCommand(group, 'clear [principal]', {
      summary: 'Take away every role of somebody, or every role that was given on a resource',
      examples: [
        ['valetkey role clear maya@northwind.dev --reason "left the company"', 'all that somebody was given'],
        ['valetkey role clear --on customer/acme --dry-run', 'all that was given on one resource'],
      ],
    }).option('--on <resource>', 'roles that were given on this very resource'),
  ).action(withSession(io, clear))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.roles.list({ ...page, ...organization })))
}

async function get(session: Session, text: string): Promise<void> {
  const { api, organization, print } = session
  const role = await findRole(session, text)
  print.item(view, role)
  if (!print.human) return
  const held = await allPages(page => api.assignments.list({ ...page, ...organization, role: role.id }))
  print.say('')
  print.list(assignmentView, held)
}

interface Settings {
  permission?: string[]
  name?: string
  type?: string
}

async function create(
  session: Session,
  slug: string,
  { permission: permissions = [], name, type, organization: isOwn }: Settings & { organization?: boolean },
): Promise<void> {
  const organization = isOwn ? (await findOwnOrganization(session)).id : undefined
  session.print.item(view, await session.api.roles.create({ organization, slug, permissions, name, type }))
}

async function set(
  session: Session,
  text: string,
  { permission, add = [], remove = [], name }: Settings & { add?: string[]; remove?: string[] },
): Promise<void> {
  const role = await findRole(session, text)
  const base = permission ?? role.permissions
  const unheld = remove.filter(slug => !base.includes(slug))
  if (unheld.length > 0)
    throw new UsageError(
      `${role.slug} does not hold ${unheld.join(', ')}.`,
      'Only what a role holds can be removed.',
    )
  const permissions = [...new Set([...base, ...add])].filter(slug => !remove.includes(slug))
  const organization = role.organization ?? undefined
  session.print.item(view, await session.api.roles.update({ organization, id: role.id, permissions, name }))
}

async function assign(
  session: Session,
  who: string,
  what: string,
  { on: resource, until }: { on?: string; until?: string },
): Promise<void> {
  const { api, print } = session
  const [{ id, organization }, role] = await Promise.all([
    findPrincipal(session, who),
    findRole(session, what),
  ])
  const expiresAt = until === undefined ? null : expiryOf(until, session)
  print.item(
    assignmentView,
    await api.assignments.create({ organization, principal: id, role: role.id, resource, expiresAt }),
  )
}

async function unassign(
  session: Session,
  who: string,
  what: string,
  options: ConfirmOptions & { on?: string },
): Promise<void> {
  const { api, print } = session
  const [principal, role] = await Promise.all([findPrincipal(session, who), findRole(session, what)])
  const { organization, name } = principal
  const filter = { organization, principal: principal.id, role: role.id, resource: options.on }
  const held = await allPages(page => api.assignments.list({ ...page, ...filter }))
  if (held.length === 0) {
    const where = options.on === undefined ? '' : ` on ${options.on}`
    print.note(`${name} does not have ${role.slug}${where}: nothing to take away.`)
    return
  }
  const preview = [
    `${name} loses ${role.permissions.join(', ') || 'nothing'}, unless another role holds it,`,
    `on ${held.map(({ resource }) => resource).join(', ')}.`,
  ]
  if (!(await confirm(session, { name, preview }, options))) return
  const { reason } = options
  const removed: Assignment[] = []
  for (const { id } of held) removed.push(await api.assignments.remove({ organization, id, reason }))
  print.list(assignmentView, removed)
}

const clearedView: View<{ removed: number }> = {
  kind: 'Cleared',
  name: ({ removed }) => String(removed),
  columns: [{ header: 'REMOVED', value: ({ removed }) => removed, align: 'right' }],
}

async function clear(
  session: Session,
  who: string | undefined,
  { on: resource, ...options }: ConfirmOptions & { on?: string },
): Promise<void> {
  const { api, print } = session
  if (who === undefined && resource === undefined)
    throw new UsageError(
      'Whose roles?',
      'Nothing says what to take away.',
      'Name somebody, or add --on RESOURCE.',
    )
  const principal = who === undefined ? undefined : await findPrincipal(session, who)
  const about = {
    ...(principal ? { organization: principal.organization } : session.organization),
    principal: principal?.id,
    resource,
  }
  const held = await allPages(page => api.assignments.list({ ...page, ...about }))
  const preview = held
    .slice(0, 20)
    .map(each => `${each.principalName} loses ${each.role} on ${each.resource}.`)
  if (held.length > 20) preview.push(`${held.length - 20} more go with them.`)
  if (held.length === 0) preview.push('No role is given there.')
  const name = principal?.name ?? resource ?? ''
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  print.item(clearedView, await api.assignments.clear({ ...about, reason: options.reason }))
}
