import { type AdminApi, api, type Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findServer, findTool } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type Tool = Output<AdminApi['tools']['map']>

export const toolView: View<Tool> = {
  kind: 'Tool',
  name: tool => tool.name,
  columns: [
    { header: 'KIND', value: tool => tool.kind },
    { header: 'NAME', value: tool => tool.name },
    { header: 'NEEDS', value: tool => tool.permission },
    { header: 'RISK', value: tool => tool.risk },
    { header: 'RESOURCE', value: tool => tool.resource },
    { header: 'WHEN', value: tool => tool.condition },
    { header: 'DRIFT', value: tool => tool.drift },
    { header: 'MODE', value: tool => tool.mode, wide: true },
    { header: 'DEFINITION', value: tool => tool.definition, wide: true },
    { header: 'ID', value: tool => tool.id, wide: true },
  ],
}

/** The tool map: what each tool needs. What is not in it is refused. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'tool', {
    summary: 'The tool map of a server: what each tool needs',
    examples: [
      ['valetkey tool ls billing', 'the map, and what has changed on the server since'],
      [
        'valetkey tool map billing get_invoice --needs invoices:read',
        'open a tool to those who hold a permission',
      ],
    ],
  })
  addCommand(group, 'ls <server>', {
    summary: 'List the tool map of a server',
    examples: [
      ['valetkey tool ls billing', 'as a table'],
      ['valetkey tool ls billing -o wide', 'with the approved definitions'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'map <server> <tool>', {
    summary: 'Map a tool to a permission, with the definition that the server has now',
    examples: [
      [
        'valetkey tool map billing get_invoice --needs invoices:read --risk read',
        'approve a tool as it is now',
      ],
      [
        'valetkey tool map docs "file:///docs/*" --kind resource --needs docs:read',
        'all resources below a URI',
      ],
    ],
  })
    .requiredOption('--needs <permission>', 'the permission that a call needs, as invoices:read')
    .addOption(
      new Option('--kind <kind>', 'what is mapped')
        .choices(api.tools.map.body.shape.kind.unwrap().options)
        .default('tool'),
    )
    .addOption(new Option('--risk <risk>', 'how much harm it can do').choices(['read', 'write', 'dangerous']))
    .option('--resource <template>', 'what the arguments name, as customer/{args.customer}')
    .option('--when <cel>', 'condition on the arguments, as args.amount <= 100')
    .addOption(new Option('--mode <mode>', 'another mode than the server has').choices(['enforce', 'audit']))
    .action(withSession(io, map))
  addConfirmOptions(
    addCommand(group, 'unmap <server> <tool>', {
      summary: 'Remove a rule: the tool is refused from then on',
      examples: [
        ['valetkey tool unmap billing refund_invoice --yes', 'by name'],
        ['valetkey tool unmap billing refund_invoice --dry-run', 'see what that touches'],
      ],
    }),
  )
    .addOption(
      new Option('--kind <kind>', 'what was mapped').choices(api.tools.map.body.shape.kind.unwrap().options),
    )
    .action(withSession(io, unmap))
}

async function list(session: Session, text: string): Promise<void> {
  const { id } = await findServer(session, text)
  session.print.list(toolView, await allPages(page => session.api.tools.list({ ...page, server: id })))
}

interface MapOptions {
  needs: string
  kind: Tool['kind']
  risk?: Tool['risk']
  resource?: string
  when?: string
  mode?: 'enforce' | 'audit'
}

async function map(session: Session, text: string, name: string, options: MapOptions): Promise<void> {
  const { api, print } = session
  const server = await findServer(session, text)
  const { items } = await api.servers.definitions({ id: server.id })
  const seen = items.find(item => item.kind === options.kind && item.name === name)
  if (options.kind === 'tool' && !seen?.definition)
    throw new UsageError(
      `Nobody has seen a tool "${name}" on ${server.name} yet.`,
      'A tool is approved with its definition, and its definition is not known.',
      `Run a guard or gateway of ${server.name}, or: valetkey server scan ${server.name} --url UPSTREAM`,
    )
  const tool = await api.tools.map({
    server: server.id,
    kind: options.kind,
    name,
    permission: options.needs,
    definition: seen?.definition ?? null,
    inputSchema: seen?.inputSchema ?? null,
    resource: options.resource ?? null,
    condition: options.when ?? null,
    risk: options.risk,
    mode: options.mode ?? null,
  })
  print.item(toolView, tool)
}

async function unmap(
  session: Session,
  text: string,
  name: string,
  options: ConfirmOptions & { kind?: string },
): Promise<void> {
  const server = await findServer(session, text)
  const tool = await findTool(session, server.id, name, options.kind)
  const preview = [
    `${server.name}.${tool.name} needs ${tool.permission}; without a rule every call of it is refused.`,
  ]
  if (!(await confirm(session, { name: tool.name, preview }, options))) return
  session.print.item(
    toolView,
    await session.api.tools.unmap({ server: server.id, id: tool.id, reason: options.reason }),
  )
}
