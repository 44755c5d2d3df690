import { type AdminApi, api, type Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findService } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type Service = Output<AdminApi['services']['create']>

const view: View<Service> = {
  kind: 'Service',
  name: service => service.name,
  columns: [
    { header: 'SERVICE', value: service => service.name },
    { header: 'TITLE', value: service => service.title },
    { header: 'STATUS', value: service => service.status },
    { header: 'CREATED', value: service => ({ time: service.createdAt }) },
    { header: 'ID', value: service => service.id },
    { header: 'ORGANIZATION', value: service => service.organization, wide: true },
  ],
}

/** Services: programs that are no agents and may hold roles. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'service', {
    summary: 'Services: programs that are no agents and may hold roles',
    examples: [
      ['valetkey service add invoicing --title "Invoicing"', 'one'],
      ['valetkey role assign service:invoicing billing-clerk', 'and what it may do'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List services',
    examples: [
      ['valetkey service ls', 'as a table'],
      ['valetkey service ls --json', 'for a script'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'add <name>', {
    summary: 'Add a service',
    examples: [
      ['valetkey service add invoicing', 'one'],
      ['valetkey service add invoicing --title "Invoicing, nightly"', 'with a title for people'],
    ],
  })
    .option('--title <text>', 'title for people')
    .action(withSession(io, add))
  addCommand(group, 'set <service>', {
    summary: 'Suspend, reinstate or retire a service',
    examples: [
      ['valetkey service set invoicing --status suspended', 'it holds nothing from then on'],
      ['valetkey service set invoicing --status active', 'go on'],
    ],
  })
    .addOption(
      new Option('--status <status>', 'whether it holds what it was given')
        .choices(api.services.update.body.shape.status.options)
        .makeOptionMandatory(),
    )
    .action(withSession(io, set))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.services.list({ ...page, ...organization })))
}

async function add(
  { api, organization, print }: Session,
  name: string,
  { title }: { title?: string },
): Promise<void> {
  print.item(view, await api.services.create({ ...organization, name, title }))
}

async function set(session: Session, text: string, { status }: { status: Service['status'] }): Promise<void> {
  const { id, organization } = await findService(session, text)
  session.print.item(view, await session.api.services.update({ organization, service: id, status }))
}
