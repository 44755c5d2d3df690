/** Hides how a server's offer becomes a proposed policy. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { AppError } from '@valetkey/sdk/core'
import type { Command } from 'commander'
import { findServer } from '../../find.ts'
import { readValue } from '../../secret-file.ts'
import { addCommand, allPages, type Session, wholeNumber, withSession } from '../../session.ts'
import { type Io, printable, UsageError, type View } from '../../terminal/index.ts'
import { readOffers } from './offer.ts'
import { type Drift, type Proposal, propose } from './propose.ts'
import { renderProposal } from './render.ts'

interface ScanOptions {
  url?: string
  publicUrl?: string
  headerFile?: string
  write?: string
  timeout: number
}

/** Adds `server scan`. */
export function registerScan(servers: Command, io: Io): void {
  addCommand(servers, 'scan <server>', {
    summary:
      'Propose a map of what a server offers, as a policy file; and say what has changed since it was mapped',
    examples: [
      [
        'valetkey server scan billing --url http://localhost:8000/mcp --write policy/billing.yaml',
        'ask the server',
      ],
      ['valetkey server scan billing', 'what its guards and gateways have seen'],
    ],
  })
    .option('--url <url>', 'where the server itself answers, without a guard in front')
    .option('--public-url <url>', 'the URL that clients call, where the server is not registered yet')
    .option('--header-file <file>', 'file with a header for the server, as "authorization: Bearer …"')
    .option('--write <file>', 'write the policy there instead of to the standard output')
    .option('--timeout <ms>', 'how long to wait for each answer', wholeNumber, 10_000)
    .action(withSession(io, scan))
}

async function scan(session: Session, text: string, options: ScanOptions): Promise<void> {
  const { io, print, api } = session
  const server = await findOrName(session, text, options)
  const offer =
    options.url === undefined
      ? { ...(await seenBy(session, server)), warnings: [] }
      : await readOffers(io, {
          url: options.url,
          headers: await readHeaders(io, options),
          timeoutMs: options.timeout,
        })
  const { id } = server
  const present = id === undefined ? [] : await allPages(page => api.tools.list({ ...page, server: id }))
  const proposal = propose(server.name, offer, present)
  for (const line of [...offer.warnings, ...proposal.warnings]) print.note(printable(`! ${line}`))
  const policy = renderProposal(server, proposal)
  if (options.write !== undefined) {
    const file = resolve(io.cwd, options.write)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, policy)
  }
  show(session, server.name, { proposal, policy, file: options.write })
}

function show(
  { io, print }: Session,
  name: string,
  result: { proposal: Proposal; policy: string; file: string | undefined },
): void {
  const { proposal, policy, file } = result
  if (!print.human) {
    print.item(view, { server: name, drift: proposal.drift, warnings: proposal.warnings, policy })
    return
  }
  if (file === undefined) io.out.write(policy)
  for (const { change, kind, name: thing } of proposal.drift)
    print.note(
      `${SIGNS[change]} ${kind} ${printable(thing)}${change === 'changed' ? ': refused until it is approved again' : ''}`,
    )
  const role = proposal.roles[0]?.slug
  print.note(`${proposal.rules.length} things mapped; ${proposal.drift.length} differ from the map in force.`)
  if (file !== undefined)
    print.note(
      `Next: read ${file}, valetkey apply -f ${file}${role ? `, valetkey role assign AGENT ${role}` : ''}`,
    )
}

const SIGNS: Record<Drift['change'], string> = { new: '+', changed: '~', gone: '-' }

const view: View<{ server: string; drift: Drift[]; warnings: string[]; policy: string }> = {
  kind: 'Scan',
  name: scan => scan.server,
  columns: [
    { header: 'SERVER', value: scan => scan.server },
    {
      header: 'DRIFT',
      value: scan => scan.drift.map(({ change, name }) => `${SIGNS[change]}${name}`).join(' '),
    },
  ],
}

interface Scanned {
  id: string | undefined
  name: string
  url: string
}

/** A server that is not registered yet can be scanned at its own URL: then the proposal registers it. */
async function findOrName(session: Session, text: string, options: ScanOptions): Promise<Scanned> {
  try {
    return await findServer(session, text)
  } catch (error) {
    const url = options.publicUrl ?? options.url
    if (!(error instanceof AppError && error.code === 'not_found') || url === undefined) throw error
    session.print.note(`! ${text} is not registered; the policy registers it as ${url}.`)
    return { id: undefined, name: text, url }
  }
}

async function seenBy({ api }: Session, server: Scanned) {
  const { items } = await api.servers.definitions({ id: server.id ?? server.name })
  if (items.length === 0)
    throw new UsageError(
      `Nobody has seen what ${server.name} offers.`,
      'No guard or gateway has reported its lists yet.',
      `Ask the server itself: valetkey server scan ${server.name} --url UPSTREAM`,
    )
  return { definitions: items, capabilities: {} }
}

async function readHeaders(io: Io, { headerFile }: ScanOptions): Promise<Record<string, string>> {
  if (headerFile === undefined) return {}
  const line = await readValue(io, headerFile)
  const [, name, value] = /^([A-Za-z0-9-]+):\s*(\S.*)$/.exec(line) ?? []
  if (name === undefined || value === undefined)
    throw new UsageError(`${headerFile} holds no header.`, 'It is one line, as "authorization: Bearer …".')
  return { [name]: value }
}
