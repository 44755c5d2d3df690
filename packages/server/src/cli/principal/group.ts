import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findGroup } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { findPrincipal, PRINCIPAL } from './principal.ts'

type Group = Output<AdminApi['groups']['create']>
type Member = Output<AdminApi['groups']['add']>

const view: View<Group> = {
  kind: 'Group',
  name: group => group.name,
  columns: [
    { header: 'GROUP', value: group => group.name },
    { header: 'TITLE', value: group => group.title },
    { header: 'CREATED', value: group => ({ time: group.createdAt }) },
    { header: 'ID', value: group => group.id },
    { header: 'ORGANIZATION', value: group => group.organization, wide: true },
  ],
}

const memberView: View<Member> = {
  kind: 'Member',
  name: member => member.name,
  columns: [
    { header: 'MEMBER', value: member => member.name },
    { header: 'KIND', value: member => member.kind },
    { header: 'ID', value: member => member.principal },
    { header: 'GROUP', value: member => member.group, wide: true },
  ],
}

/** Groups: who gets a role together. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'group', {
    summary: 'Groups: people, agents, services and groups that get roles together',
    examples: [
      ['valetkey group add finance --title "Finance team"', 'a group'],
      ['valetkey group join finance maya@northwind.dev', 'somebody in it'],
    ],
  })
  registerGroups(group, io)
  registerMembers(group, io)
}

function registerGroups(group: Command, io: Io): void {
  addCommand(group, 'ls', {
    summary: 'List groups',
    examples: [
      ['valetkey group ls', 'as a table'],
      ['valetkey group ls -o name', 'only the names'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'add <name>', {
    summary: 'Add a group',
    examples: [
      ['valetkey group add finance', 'one'],
      ['valetkey group add finance --title "Finance team"', 'with a title for people'],
    ],
  })
    .option('--title <text>', 'title for people')
    .action(withSession(io, add))
  addConfirmOptions(
    addCommand(group, 'rm <group>', {
      summary: 'Remove a group, its memberships and the roles it was given',
      examples: [
        ['valetkey group rm finance --yes', 'at once'],
        ['valetkey group rm finance --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, remove))
}

function registerMembers(group: Command, io: Io): void {
  addCommand(group, 'members <group>', {
    summary: 'List who belongs to a group directly',
    examples: [
      ['valetkey group members finance', 'as a table'],
      ['valetkey group members finance --json', 'for a script'],
    ],
  }).action(withSession(io, members))
  addCommand(group, 'join <group> <principal>', {
    summary: `Add a member to a group: ${PRINCIPAL}`,
    examples: [
      ['valetkey group join finance maya@northwind.dev', 'a person'],
      ['valetkey group join everyone group:finance', 'all of another group'],
    ],
  }).action(withSession(io, join))
  addCommand(group, 'leave <group> <principal>', {
    summary: 'Take a member out of a group',
    examples: [
      ['valetkey group leave finance maya@northwind.dev', 'a person'],
      ['valetkey group leave finance support-bot', 'an agent'],
    ],
  }).action(withSession(io, leave))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.groups.list({ ...page, ...organization })))
}

async function add(
  { api, organization, print }: Session,
  name: string,
  { title }: { title?: string },
): Promise<void> {
  print.item(view, await api.groups.create({ ...organization, name, title }))
}

async function remove(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, name, organization } = await findGroup(session, text)
  const [inside, given] = await Promise.all([
    allPages(page => api.groups.members({ ...page, organization, group: id })),
    allPages(page => api.assignments.list({ ...page, organization, principal: id })),
  ])
  const roles = given.map(({ role, resource }) => `${role} on ${resource}`).join(', ') || 'no role'
  const count = inside.length === 1 ? '1 direct member loses' : `${inside.length} direct members lose`
  const preview = [`Group ${name}: ${count} what it was given: ${roles}.`]
  if (!(await confirm(session, { name, preview }, options))) return
  print.item(view, await api.groups.remove({ organization, group: id, reason: options.reason }))
}

async function members(session: Session, text: string): Promise<void> {
  const { api, print } = session
  const { id, organization } = await findGroup(session, text)
  print.list(memberView, await allPages(page => api.groups.members({ ...page, organization, group: id })))
}

async function join(session: Session, text: string, who: string): Promise<void> {
  const [group, principal] = await Promise.all([findGroup(session, text), findPrincipal(session, who)])
  const { id, organization } = group
  session.print.item(
    memberView,
    await session.api.groups.add({ organization, group: id, member: principal.id }),
  )
}

async function leave(session: Session, text: string, who: string): Promise<void> {
  const [group, principal] = await Promise.all([findGroup(session, text), findPrincipal(session, who)])
  const { id, organization } = group
  session.print.item(
    memberView,
    await session.api.groups.drop({ organization, group: id, member: principal.id }),
  )
}
