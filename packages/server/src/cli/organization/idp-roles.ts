import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { findIdentityProvider } from '../find.ts'
import { addCommand, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type GroupRole = Output<AdminApi['identityProviders']['get']>['roles'][number]

const view: View<GroupRole> = {
  kind: 'GroupRole',
  name: role => role.group,
  columns: [
    { header: 'GROUP', value: role => role.group },
    { header: 'ROLE', value: role => role.role },
    { header: 'ON', value: role => role.resource },
  ],
}

/** What the groups of a provider make of people here. */
export function registerGroupRoles(group: Command, io: Io): void {
  addCommand(group, 'roles <idp>', {
    summary: 'List which roles the groups of a provider give',
    examples: [
      ['valetkey idp roles okta', 'as a table'],
      ['valetkey idp roles okta --json', 'for a script'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'map <idp> <group> <role>', {
    summary: 'Give a role to whoever the provider says is in a group',
    examples: [
      ['valetkey idp map okta "Finance (EU)" account-clerk', 'on the whole organization'],
      ['valetkey idp map okta Acme account-reader --on customer/acme', 'on one resource'],
    ],
  })
    .option('--on <resource>', 'a resource, as customer/acme; else the whole organization')
    .action(withSession(io, map))
  addCommand(group, 'unmap <idp> <group> <role>', {
    summary: 'Take it back, from everybody who has it by that group',
    examples: [
      ['valetkey idp unmap okta "Finance (EU)" account-clerk', 'on the whole organization'],
      ['valetkey idp unmap okta Acme account-reader --on customer/acme', 'on one resource'],
    ],
  })
    .option('--on <resource>', 'a resource, as customer/acme; else the whole organization')
    .action(withSession(io, unmap))
}

async function list(session: Session, idp: string): Promise<void> {
  session.print.list(view, (await findIdentityProvider(session, idp)).roles)
}

async function map(
  session: Session,
  idp: string,
  group: string,
  role: string,
  { on }: { on?: string },
): Promise<void> {
  const { id, organization, roles } = await findIdentityProvider(session, idp)
  const wanted = [...roles, { group, role, resource: on }]
  const after = await session.api.identityProviders.update({ organization, provider: id, roles: wanted })
  session.print.list(view, after.roles)
}

async function unmap(
  session: Session,
  idp: string,
  group: string,
  role: string,
  { on }: { on?: string },
): Promise<void> {
  const { id, name, organization, roles } = await findIdentityProvider(session, idp)
  const isMeant = (one: GroupRole) =>
    one.group === group &&
    one.role === role &&
    (on === undefined ? one.resource.startsWith('organization/') : one.resource === on)
  const left = roles.filter(one => !isMeant(one))
  if (left.length === roles.length)
    throw new UsageError(
      `The group "${group}" of ${name} does not give ${role} there.`,
      'There is nothing to take back.',
      `See what it gives: valetkey idp roles ${name}`,
    )
  const after = await session.api.identityProviders.update({ organization, provider: id, roles: left })
  session.print.list(view, after.roles)
}
