import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findResourceType } from '../find.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type ResourceType = Output<AdminApi['resourceTypes']['create']>

const view: View<ResourceType> = {
  kind: 'ResourceType',
  name: type => type.slug,
  columns: [
    { header: 'TYPE', value: type => type.slug },
    { header: 'NAME', value: type => type.name },
    { header: 'BELOW', value: type => type.parents.join(' ') },
    { header: 'INSTANCES', value: type => type.instances },
    { header: 'ID', value: type => type.id, wide: true },
  ],
}

/** Adds `resource type`. */
export function registerTypes(resources: Command, io: Io): void {
  const group = addGroup(resources, 'type', {
    summary: 'Resource types: what kinds there are, and what they may lie below',
    examples: [
      ['valetkey resource type ls', 'all of them'],
      ['valetkey resource type create invoice --below customer', 'another one'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List resource types',
    examples: [
      ['valetkey resource type ls', 'as a table'],
      ['valetkey resource type ls -o name', 'only the names'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'create <type>', {
    summary: 'Create a resource type; its name stays as it is',
    examples: [
      ['valetkey resource type create customer', 'directly below the organization'],
      ['valetkey resource type create file --below customer --open', 'whose instances nobody registers'],
    ],
  })
    .option('--below <types>', 'what it may lie below; several times, or with commas', collect)
    .option('--name <text>', 'name for people')
    .addOption(new Option('--open', 'any id names one: what counts is the resource that it is named under'))
    .action(withSession(io, create))
  addCommand(group, 'set <type>', {
    summary: 'Rename a resource type, or let it lie below more or fewer others',
    examples: [
      ['valetkey resource type set invoice --below customer,project', 'what it may lie below, whole'],
      ['valetkey resource type set invoice --name Invoices', 'another name'],
    ],
  })
    .option('--below <types>', 'what it may lie below, whole', collect)
    .option('--name <text>', 'name for people')
    .action(withSession(io, set))
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.resourceTypes.list(page)))
}

interface Settings {
  below?: string[]
  name?: string
}

async function create(
  { api, print }: Session,
  slug: string,
  { below: parents, name, open }: Settings & { open?: boolean },
): Promise<void> {
  const instances = open ? 'open' : 'registered'
  print.item(view, await api.resourceTypes.create({ slug, name, parents, instances }))
}

async function set(session: Session, text: string, { below: parents, name }: Settings): Promise<void> {
  const { id } = await findResourceType(session, text)
  session.print.item(view, await session.api.resourceTypes.update({ id, parents, name }))
}
