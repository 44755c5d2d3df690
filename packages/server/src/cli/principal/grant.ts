import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { expiryOf } from '../expiry.ts'
import { findAgent, findGrant, findPerson } from '../find.ts'
import {
  addCommand,
  addGroup,
  allPages,
  collect,
  collectWhole,
  type Session,
  withSession,
} from '../session.ts'
import { type Io, parseMoment, type View } from '../terminal/index.ts'
import { idsOf, requireOneOrAll, type Whose } from './whose.ts'

export type Grant = Output<AdminApi['grants']['create']>

export const grantView: View<Grant> = {
  kind: 'Grant',
  name: grant => grant.id,
  columns: [
    { header: 'AGENT', value: grant => grant.agentName },
    { header: 'FOR', value: grant => grant.personEmail },
    { header: 'SCOPES', value: grant => [...grant.scopes, ...Object.keys(grant.elevated)].join(' ') },
    { header: 'ON', value: grant => grant.resources.join(' ') || 'everything' },
    { header: 'STATUS', value: grant => grant.status },
    { header: 'EXPIRES', value: grant => ({ time: grant.expiresAt }) },
    { header: 'LAST USED', value: grant => ({ time: grant.lastUsedAt }) },
    { header: 'ID', value: grant => grant.id },
    { header: 'SERVER', value: grant => grant.serverName ?? 'any', wide: true },
    { header: 'SOURCE', value: grant => grant.source, wide: true },
    { header: 'CREATED', value: grant => ({ time: grant.createdAt }), wide: true },
    { header: 'CREATED BY', value: grant => grant.createdBy, wide: true },
  ],
}

/** Grants: what people let agents do for them. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'grant', {
    summary: 'Grants: what people let agents do for them',
    examples: [
      ['valetkey grant ls --person maya@northwind.dev', 'who acts for somebody'],
      [
        'valetkey grant add support-bot --for maya@northwind.dev --scope invoices:read --until 30d',
        'let an agent act for somebody',
      ],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List grants',
    examples: [
      ['valetkey grant ls --agent support-bot', 'for whom an agent acts'],
      ['valetkey grant ls --status live --never-used --older-than 90d', 'which nobody would miss'],
    ],
  })
    .option('--agent <agent>', 'the agent that acts')
    .option('--person <person>', 'the person it acts for')
    .option('--scope <permission>', 'a permission that it names')
    .addOption(new Option('--status <status>', 'as it is now').choices(['live', 'expired', 'revoked']))
    .option('--never-used', 'under which no token was ever issued')
    .option('--idle <time>', 'under which none was issued since: 90d or 2026-11-17')
    .option('--older-than <time>', 'made before: 90d or 2026-11-17')
    .action(withSession(io, list))
  addCommand(group, 'get <grant>', {
    summary: 'Show a grant',
    examples: [
      ['valetkey grant get gnt_01kam9', 'by the beginning of its id'],
      ['valetkey grant get gnt_01kam9 --json', 'with what it holds for a shorter time'],
    ],
  }).action(withSession(io, get))
  addCommand(group, 'add <agent>', {
    summary: 'Let an agent act for a person, never with more than both hold',
    examples: [
      ['valetkey grant add support-bot --for maya@northwind.dev --scope invoices:read', 'everywhere'],
      [
        'valetkey grant add support-bot --for maya@northwind.dev --scope "invoices:*" --on customer/acme --until 7d',
        'on one resource, for a time',
      ],
    ],
  })
    .requiredOption('--for <person>', 'the person it acts for, by email address or id')
    .requiredOption('--scope <scopes>', 'the most it may do; several times, or with commas', collect)
    .option('--on <resource>', 'only on this and below; several times', collectWhole, [])
    .option('--until <time>', 'when it ends: 30d, 12h or 2027-01-31')
    .action(withSession(io, add))
  addConfirmOptions(
    addCommand(group, 'revoke [grant]', {
      summary: 'End a grant, or all of an agent or a person; tokens of it are refused at once',
      examples: [
        ['valetkey grant revoke gnt_01kam9 --reason "left the project"', 'by the beginning of its id'],
        ['valetkey grant revoke --person maya@northwind.dev --dry-run', 'see what all of hers touch'],
      ],
    })
      .option('--agent <agent>', 'all by which this agent acts')
      .option('--person <person>', 'all by which agents act for this person'),
  ).action(withSession(io, revoke))
}

interface Filter extends Whose {
  scope?: string
  status?: Grant['status']
  neverUsed?: true
  idle?: string
  olderThan?: string
}

async function list(session: Session, options: Filter): Promise<void> {
  const { api, organization, print } = session
  const { scope, status, neverUsed, idle, olderThan } = options
  const before = (text: string | undefined) =>
    text === undefined ? undefined : parseMoment(text, 'from', { now: session.io.now(), utc: session.utc })
  const filter = {
    ...(await idsOf(session, options)),
    ...{ scope, status, used: neverUsed && ('never' as const) },
    ...{ createdBefore: before(olderThan), idleSince: before(idle) },
  }
  print.list(grantView, await allPages(page => api.grants.list({ ...page, ...organization, ...filter })))
}

async function get(session: Session, text: string): Promise<void> {
  session.print.item(grantView, await findGrant(session, text))
}

interface Terms {
  for: string
  scope: string[]
  on: string[]
  until?: string
}

async function add(session: Session, who: string, terms: Terms): Promise<void> {
  const { api, print } = session
  const [agent, person] = await Promise.all([findAgent(session, who), findPerson(session, terms.for)])
  const expiresAt = terms.until === undefined ? null : expiryOf(terms.until, session)
  const { organization } = agent
  const about = { agent: agent.id, person: person.id, scopes: terms.scope, resources: terms.on }
  print.item(grantView, await api.grants.create({ organization, ...about, expiresAt }))
}

async function revoke(
  session: Session,
  text: string | undefined,
  options: ConfirmOptions & Whose,
): Promise<void> {
  requireOneOrAll('grant', text, options)
  if (text === undefined) return revokeAll(session, options)
  const { api, print } = session
  const { id, organization, agentName, personEmail, scopes } = await findGrant(session, text)
  const preview = [`${agentName} no longer acts for ${personEmail} (${scopes.join(', ')}).`]
  if (!(await confirm(session, { name: id, preview, incident: true }, options))) return
  const { reason = '' } = options
  print.item(grantView, await api.grants.revoke({ organization, id, reason }))
}

async function revokeAll(session: Session, options: ConfirmOptions & Whose): Promise<void> {
  const { api, organization, print } = session
  const whose = await idsOf(session, options)
  const live = await allPages(page =>
    api.grants.list({ ...page, ...organization, ...whose, status: 'live' as const }),
  )
  const preview = live.map(grant => `${grant.agentName} no longer acts for ${grant.personEmail}.`)
  const name = options.person ?? options.agent ?? ''
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  const { revoked } = await api.grants.revokeAll({ ...organization, ...whose, reason: options.reason ?? '' })
  print.note(`${revoked.length} ${revoked.length === 1 ? 'grant has' : 'grants have'} ended.`)
}
