import { type AdminApi, api, type Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findAgent } from '../find.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { addEnroll } from './enroll.ts'

type Agent = Output<AdminApi['agents']['get']>

const agentView: View<Agent> = {
  kind: 'Agent',
  name: agent => agent.name,
  columns: [
    { header: 'NAME', value: agent => agent.name },
    { header: 'STATUS', value: agent => agent.status },
    { header: 'KIND', value: agent => agent.kind },
    { header: 'OWNER', value: agent => agent.ownerEmail },
    { header: 'CEILING', value: agent => agent.ceiling.join(' ') },
    { header: 'CREATED', value: agent => ({ time: agent.createdAt }) },
    { header: 'ID', value: agent => agent.id },
    { header: 'PURPOSE', value: agent => agent.purpose, wide: true },
    { header: 'ALL OR NOTHING', value: agent => (agent.allOrNothing ? 'yes' : 'no'), wide: true },
    { header: 'DPOP', value: agent => (agent.dpop ? 'required' : 'optional'), wide: true },
    { header: 'ORGANIZATION', value: agent => agent.organization, wide: true },
  ],
}

const kindOption = () =>
  new Option('--kind <kind>', 'acts on its own, for a person, or both').choices(
    api.agents.create.body.shape.kind.unwrap().options,
  )

/** Agents: software that acts, each with an owner. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'agent', {
    summary: 'Agents: list, register, change, stop',
    examples: [
      ['valetkey agent ls', 'every agent and who answers for it'],
      ['valetkey agent suspend support-bot --reason "odd calls"', 'stop one at once'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List agents',
    examples: [
      ['valetkey agent ls', 'as a table'],
      ['valetkey agent ls -o json', 'for a script'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'get <agent>', {
    summary: 'Show an agent',
    examples: [
      ['valetkey agent get support-bot', 'by name'],
      ['valetkey agent get agt_01kam --json', 'by the beginning of its id'],
    ],
  }).action(withSession(io, get))
  addCommand(group, 'create <name>', {
    summary: 'Register an agent',
    examples: [
      [
        'valetkey agent create support-bot --owner maya@northwind.dev --scope tickets:read',
        'one scope at most',
      ],
      [
        'valetkey agent create reporter --owner maya@northwind.dev --scope "invoices:*"',
        'a family of scopes',
      ],
    ],
  })
    .requiredOption('--owner <person>', 'the person who answers for it, by email address or id')
    .option('--scope <scopes>', 'the most it may ever be given; several times, or with commas', collect, [])
    .option('--purpose <text>', 'what it is for')
    .option('--all-or-nothing', 'people give it all that it asks for, or nothing')
    .option('--dpop', 'its tokens must be bound to a key that it proves to hold')
    .addOption(kindOption())
    .action(withSession(io, create))
  addCommand(group, 'set <agent>', {
    summary: 'Change an agent',
    examples: [
      ['valetkey agent set support-bot --owner jon@northwind.dev', 'another owner'],
      ['valetkey agent set support-bot --scope tickets:read,tickets:write', 'another ceiling, whole'],
      ['valetkey agent set support-bot --dpop', 'refuse tokens that are bound to no key'],
    ],
  })
    .option('--owner <person>', 'the person who answers for it')
    .option('--scope <scopes>', 'the new ceiling, whole', collect)
    .option('--purpose <text>', 'what it is for')
    .option('--all-or-nothing', 'people give it all that it asks for, or nothing')
    .option('--no-all-or-nothing', 'people may give it less than it asks for')
    .option('--dpop', 'its tokens must be bound to a key that it proves to hold')
    .option('--no-dpop', 'bearer tokens do')
    .addOption(kindOption())
    .action(withSession(io, set))
  addEnroll(group, io)
  addConfirmOptions(
    addCommand(group, 'suspend <agent>', {
      summary: 'Stop an agent at once; it can be resumed',
      examples: [
        ['valetkey agent suspend support-bot --reason "odd calls"', 'stop it'],
        ['valetkey agent suspend support-bot --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, suspend))
  addCommand(group, 'resume <agent>', {
    summary: 'Let a suspended agent act again, with the reason on record',
    examples: [
      ['valetkey agent resume support-bot --reason "false alarm"', 'go on'],
      ['valetkey agent resume support-bot --reason "case 7 is closed" --json', 'and read what it is now'],
    ],
  })
    .requiredOption('--reason <text>', 'why; goes on record')
    .action(withSession(io, resume))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(agentView, await allPages(page => api.agents.list({ ...page, ...organization })))
}

async function get(session: Session, text: string): Promise<void> {
  session.print.item(agentView, await findAgent(session, text))
}

interface Settings {
  owner?: string
  scope?: string[]
  purpose?: string
  kind?: Agent['kind']
  allOrNothing?: boolean
  dpop?: boolean
}

async function create(session: Session, name: string, options: Settings & { owner: string }): Promise<void> {
  const { owner, scope: ceiling = [], purpose, kind, allOrNothing, dpop } = options
  const { api, organization, print } = session
  const settings = { owner, ceiling, purpose, kind, allOrNothing, dpop }
  const agent = await api.agents.create({ ...organization, name, ...settings })
  print.item(agentView, agent)
  print.note(`Next: valetkey credential create ${agent.name} --generate --key-file ${agent.name}.jwk`)
}

async function set(session: Session, text: string, options: Settings): Promise<void> {
  const { owner, scope: ceiling, purpose, kind, allOrNothing, dpop } = options
  const { id } = await findAgent(session, text)
  const agent = await session.api.agents.update({
    ...session.organization,
    id,
    owner,
    ceiling,
    purpose,
    kind,
    allOrNothing,
    dpop,
  })
  session.print.item(agentView, agent)
}

async function suspend(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const agent = await findAgent(session, text)
  const preview = await previewOf(session, agent)
  if (!(await confirm(session, { name: agent.name, preview, incident: true }, options))) return
  const { api, print } = session
  const { reason = '' } = options
  print.item(agentView, await api.agents.suspend({ organization: agent.organization, id: agent.id, reason }))
}

async function resume(session: Session, text: string, { reason }: { reason: string }): Promise<void> {
  const { id, organization } = await findAgent(session, text)
  session.print.item(agentView, await session.api.agents.resume({ organization, id, reason }))
}

/** What stops when an agent stops. */
export async function previewOf({ api }: Session, agent: Agent): Promise<string[]> {
  const { id, organization } = agent
  const [credentials, assignments] = await Promise.all([
    allPages(page => api.credentials.list({ ...page, agent: id, organization })),
    allPages(page => api.assignments.list({ ...page, principal: id, organization })),
  ])
  const live = credentials.filter(credential => credential.status === 'live').length
  const names = [...new Set(assignments.map(assignment => assignment.role))]
  const roles =
    names.length === 0 ? 'no role' : `the ${names.length === 1 ? 'role' : 'roles'} ${names.join(', ')}`
  return [
    `Agent ${agent.name} of ${agent.ownerEmail}: ${live} live ${live === 1 ? 'credential' : 'credentials'}, ${roles}.`,
    'Every call of it is refused from then on, and its open streams are cut.',
  ]
}
