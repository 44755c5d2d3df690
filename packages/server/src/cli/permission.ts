import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addCommand, addGroup, allPages, type Session, withSession } from './session.ts'
import type { Io, View } from './terminal/index.ts'

type Permission = Output<AdminApi['permissions']['create']>

const view: View<Permission> = {
  kind: 'Permission',
  name: permission => permission.slug,
  columns: [
    { header: 'PERMISSION', value: permission => permission.slug },
    { header: 'RISK', value: permission => permission.risk },
    { header: 'TYPE', value: permission => permission.type },
    { header: 'LABEL', value: permission => permission.label },
    { header: 'ID', value: permission => permission.id, wide: true },
  ],
}

/** Permissions: what tools need and roles hold. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'permission', {
    summary: 'Permissions: what tools need and roles hold',
    examples: [
      ['valetkey permission ls', 'all of them'],
      [
        'valetkey permission create invoices:refund --risk dangerous --label "Refund invoices"',
        'another one',
      ],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List permissions',
    examples: [
      ['valetkey permission ls', 'as a table'],
      ['valetkey permission ls -o name', 'only the names'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'create <permission>', {
    summary: 'Create a permission',
    examples: [
      ['valetkey permission create invoices:read --risk read', 'a harmless one'],
      ['valetkey permission create invoices:refund --risk dangerous', 'one that moves money'],
    ],
  })
    .addOption(new Option('--risk <risk>', 'how much harm it can do').choices(['read', 'write', 'dangerous']))
    .option('--label <text>', 'what it allows, for people')
    .option('--type <type>', 'the resource type that it belongs to')
    .action(withSession(io, create))
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.permissions.list(page)))
}

async function create(
  { api, print }: Session,
  slug: string,
  { risk, label, type }: Partial<Pick<Permission, 'risk' | 'label' | 'type'>>,
): Promise<void> {
  print.item(view, await api.permissions.create({ slug, risk, label, type }))
}
