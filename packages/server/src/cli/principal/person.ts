import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findPerson } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { registerAccess } from './person-access.ts'

type Person = Output<AdminApi['people']['get']>

const view: View<Person> = {
  kind: 'Person',
  name: person => person.email,
  columns: [
    { header: 'EMAIL', value: person => person.email },
    { header: 'NAME', value: person => person.name },
    { header: 'STATUS', value: person => person.status },
    { header: 'CREATED', value: person => ({ time: person.createdAt }) },
    { header: 'ID', value: person => person.id },
  ],
}

/** People: who owns agents and authorizes them. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'person', {
    summary: 'People: list, add, invite, suspend',
    examples: [
      ['valetkey person ls', 'everyone'],
      ['valetkey person create maya@northwind.dev --name "Maya Lind"', 'someone who can own agents'],
      ['valetkey person invite maya@northwind.dev', 'a link to set a password by'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List people',
    examples: [
      ['valetkey person ls', 'as a table'],
      ['valetkey person ls -o csv', 'for a spreadsheet'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'create <email>', {
    summary: 'Add a person',
    examples: [
      ['valetkey person create maya@northwind.dev --name "Maya Lind"', 'in the only organization'],
      ['valetkey person create maya@northwind.dev --name Maya --org northwind', 'in one of several'],
    ],
  })
    .requiredOption('--name <text>', 'name for people')
    .action(withSession(io, create))
  addCommand(group, 'set <person>', {
    summary: 'Rename, suspend or reinstate a person; the agents of a person who is gone are refused',
    examples: [
      ['valetkey person set maya@northwind.dev --status suspended', 'stops the agents that she owns, too'],
      [
        'valetkey person set maya@northwind.dev --status active --reason "back from leave"',
        'lets her in again',
      ],
    ],
  })
    .option('--name <text>', 'name for people')
    .addOption(
      new Option('--status <status>', 'whether the person is here').choices([
        'active',
        'suspended',
        'retired',
      ]),
    )
    .option('--reason <text>', 'why, for the record; who reinstates somebody has to say it')
    .action(withSession(io, set))
  registerAccess(group, io)
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.people.list({ ...page, ...organization })))
}

async function create(
  { api, organization, print }: Session,
  email: string,
  { name }: { name: string },
): Promise<void> {
  print.item(view, await api.people.create({ ...organization, email, name }))
}

async function set(
  session: Session,
  text: string,
  changes: Partial<Pick<Person, 'name' | 'status'>> & { reason?: string },
): Promise<void> {
  const { id, organization } = await findPerson(session, text)
  const { name, status, reason } = changes
  session.print.item(view, await session.api.people.update({ id, organization, name, status, reason }))
}
