import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findOrganization } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { registerConsent } from './consent-policy.ts'
import { registerSignIn } from './sign-in-policy.ts'

const view: View<Output<AdminApi['organizations']['get']>> = {
  kind: 'Organization',
  name: organization => organization.slug,
  columns: [
    { header: 'SLUG', value: organization => organization.slug },
    { header: 'NAME', value: organization => organization.name },
    { header: 'STATUS', value: organization => organization.status },
    { header: 'REVISION', value: organization => organization.revision, align: 'right' },
    { header: 'CREATED', value: organization => ({ time: organization.createdAt }) },
    { header: 'ID', value: organization => organization.id },
  ],
}

/** Organizations: who everything else belongs to. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'org', {
    summary: 'Organizations: list, create, freeze',
    examples: [
      ['valetkey org ls', 'all of them'],
      ['valetkey org freeze northwind --reason incident', 'refuse every call in it'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List organizations',
    examples: [
      ['valetkey org ls', 'as a table'],
      ['valetkey org ls -o name', 'only the slugs'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'create <slug>', {
    summary: 'Create an organization',
    examples: [
      ['valetkey org create northwind', 'named as its slug'],
      ['valetkey org create northwind --name "Northwind Traders"', 'with a name for people'],
    ],
  })
    .option('--name <text>', 'name for people')
    .action(withSession(io, create))
  addConfirmOptions(
    addCommand(group, 'freeze <organization>', {
      summary: 'Refuse every call in an organization',
      examples: [
        ['valetkey org freeze northwind --reason incident', 'at once'],
        ['valetkey org freeze northwind --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, freeze))
  addCommand(group, 'thaw <organization>', {
    summary: 'Let calls in an organization be decided again, with the reason on record',
    examples: [
      ['valetkey org thaw northwind --reason "all clear"', 'go on'],
      ['valetkey org thaw northwind --reason "case 7 is closed" --json', 'and read what it is now'],
    ],
  })
    .requiredOption('--reason <text>', 'why; goes on record')
    .action(withSession(io, thaw))
  registerSignIn(group, io)
  registerConsent(group, io)
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.organizations.list(page)))
}

async function create(
  { api, print }: Session,
  slug: string,
  { name = slug }: { name?: string },
): Promise<void> {
  print.item(view, await api.organizations.create({ slug, name }))
}

async function freeze(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { id, slug } = await findOrganization(session, text)
  const agents = await allPages(page => session.api.agents.list({ ...page, organization: id }))
  const preview = [`Every call of the ${agents.length} agents of ${slug} is refused until it is thawed.`]
  if (!(await confirm(session, { name: slug, preview, incident: true }, options))) return
  session.print.item(view, await session.api.organizations.freeze({ id, reason: options.reason ?? '' }))
}

async function thaw(session: Session, text: string, { reason }: { reason: string }): Promise<void> {
  const { id } = await findOrganization(session, text)
  session.print.item(view, await session.api.organizations.thaw({ id, reason }))
}
