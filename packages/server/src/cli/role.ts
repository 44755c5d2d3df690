import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from './confirm.ts'
import { expiryOf } from './expiry.ts'
import { findAgent, findRole } from './find.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from './session.ts'
import { type Io, UsageError, type View } from './terminal/index.ts'

type Role = Output<AdminApi['roles']['get']>
type Assignment = Output<AdminApi['assignments']['create']>

const view: View<Role> = {
  kind: 'Role',
  name: role => role.slug,
  columns: [
    { header: 'ROLE', value: role => role.slug },
    { header: 'NAME', value: role => role.name },
    { header: 'PERMISSIONS', value: role => role.permissions.join(' ') },
    { header: 'TYPE', value: role => role.type, wide: true },
    { header: 'ID', value: role => role.id, wide: true },
  ],
}

const assignmentView: View<Assignment> = {
  kind: 'Assignment',
  name: assignment => assignment.id,
  columns: [
    { header: 'WHO', value: assignment => assignment.principalName },
    { header: 'ROLE', value: assignment => assignment.role },
    { header: 'ON', value: assignment => assignment.resource },
    { header: 'CREATED', value: assignment => ({ time: assignment.createdAt }) },
    { header: 'EXPIRES', value: assignment => ({ time: assignment.expiresAt }) },
    { header: 'ID', value: assignment => assignment.id },
    { header: 'CREATED BY', value: assignment => assignment.createdBy, wide: true },
    { header: 'SOURCE', value: assignment => assignment.source, wide: true },
  ],
}

/** Roles: permissions by a name, and who has them. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'role', {
    summary: 'Roles: what they hold, and who has them',
    examples: [
      ['valetkey role create support --permission tickets:read,invoices:read', 'a role'],
      ['valetkey role assign support-bot support', 'give it to an agent'],
    ],
  })
  registerRoles(group, io)
  registerAssignments(group, io)
}

function registerRoles(group: Command, io: Io): void {
  addCommand(group, 'ls', {
    summary: 'List roles',
    examples: [
      ['valetkey role ls', 'and what they hold'],
      ['valetkey role ls --json', 'for a script'],
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
    summary: 'Create a role',
    examples: [
      ['valetkey role create support --permission tickets:read --permission invoices:read', 'one by one'],
      ['valetkey role create support --permission tickets:read,invoices:read', 'as a list'],
    ],
  })
    .option('--permission <permissions>', 'what it holds; several times, or with commas', collect, [])
    .option('--name <text>', 'name for people')
    .option('--type <type>', 'the resource type that it belongs to')
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
  addCommand(group, 'assign <agent> <role>', {
    summary: 'Give an agent a role',
    examples: [
      ['valetkey role assign support-bot support', 'until it is taken away'],
      ['valetkey role assign support-bot support --expires 30d', 'for a time'],
    ],
  })
    .option('--expires <time>', 'when it ends: 30d, 12h or 2027-01-31')
    .action(withSession(io, assign))
  addConfirmOptions(
    addCommand(group, 'unassign <agent> <role>', {
      summary: 'Take a role away from an agent',
      examples: [
        ['valetkey role unassign support-bot support --yes', 'at once'],
        ['valetkey role unassign support-bot support --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, unassign))
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.roles.list(page)))
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
  { api, print }: Session,
  slug: string,
  { permission = [], name, type }: Settings,
): Promise<void> {
  print.item(view, await api.roles.create({ slug, permissions: permission, name, type }))
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
  session.print.item(view, await session.api.roles.update({ id: role.id, permissions, name }))
}

async function assign(
  session: Session,
  who: string,
  what: string,
  { expires }: { expires?: string },
): Promise<void> {
  const { api, print } = session
  const [agent, role] = await Promise.all([findAgent(session, who), findRole(session, what)])
  const expiresAt = expires === undefined ? null : expiryOf(expires, session)
  const { organization, id: principal } = agent
  print.item(
    assignmentView,
    await api.assignments.create({ organization, principal, role: role.id, expiresAt }),
  )
}

async function unassign(session: Session, who: string, what: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const [agent, role] = await Promise.all([findAgent(session, who), findRole(session, what)])
  const { organization } = agent
  const held = await allPages(page =>
    api.assignments.list({ ...page, organization, principal: agent.id, role: role.id }),
  )
  if (held.length === 0) {
    print.note(`${agent.name} does not have ${role.slug}: nothing to take away.`)
    return
  }
  const preview = [
    `${agent.name} loses ${role.permissions.join(', ') || 'nothing'}, unless another role holds it.`,
  ]
  if (!(await confirm(session, { name: agent.name, preview }, options))) return
  const removed: Assignment[] = []
  for (const { id } of held) removed.push(await api.assignments.remove({ organization, id }))
  print.list(assignmentView, removed)
}
