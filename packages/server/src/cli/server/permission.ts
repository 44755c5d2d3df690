import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findPermission } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type Permission = Output<AdminApi['permissions']['create']>

const view: View<Permission> = {
  kind: 'Permission',
  name: permission => permission.slug,
  columns: [
    { header: 'PERMISSION', value: permission => permission.slug },
    { header: 'RISK', value: permission => permission.risk },
    { header: 'TYPE', value: permission => permission.type },
    { header: 'LABEL', value: permission => permission.label },
    { header: 'WHEN', value: permission => permission.condition, wide: true },
    { header: 'ID', value: permission => permission.id, wide: true },
  ],
}

const WHEN = 'condition over subject, resource, action and context, as context.amount <= 100'

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
    .option('--type <type>', 'what it is held on: a resource type; else the organization')
    .option('--when <cel>', WHEN)
    .action(withSession(io, create))
  addCommand(group, 'set <permission>', {
    summary: 'Change what a permission is called, its risk or its condition',
    examples: [
      ['valetkey permission set invoices:refund --risk dangerous', 'how much harm it can do'],
      [`valetkey permission set invoices:refund --when 'context.amount <= 100'`, 'when it holds at all'],
    ],
  })
    .addOption(new Option('--risk <risk>', 'how much harm it can do').choices(['read', 'write', 'dangerous']))
    .option('--label <text>', 'what it allows, for people')
    .option('--when <cel>', `${WHEN}; empty for none`)
    .action(withSession(io, set))
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.permissions.list(page)))
}

interface Settings extends Partial<Pick<Permission, 'risk' | 'label' | 'type'>> {
  when?: string
}

async function create(
  { api, print }: Session,
  slug: string,
  { risk, label, type, when: condition }: Settings,
): Promise<void> {
  print.item(view, await api.permissions.create({ slug, risk, label, type, condition }))
}

async function set(session: Session, text: string, { risk, label, when }: Settings): Promise<void> {
  const { id } = await findPermission(session, text)
  const condition = when === '' ? null : when
  session.print.item(view, await session.api.permissions.update({ id, risk, label, condition }))
}
