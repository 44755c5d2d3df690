import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from './confirm.ts'
import { expiryOf } from './expiry.ts'
import { findAgent, findGrant, findPerson } from './find.ts'
import {
  addCommand,
  addGroup,
  allPages,
  collect,
  collectWhole,
  type Session,
  withSession,
} from './session.ts'
import type { Io, View } from './terminal/index.ts'

export type Grant = Output<AdminApi['grants']['create']>

export const grantView: View<Grant> = {
  kind: 'Grant',
  name: grant => grant.id,
  columns: [
    { header: 'AGENT', value: grant => grant.agentName },
    { header: 'FOR', value: grant => grant.personEmail },
    { header: 'SCOPES', value: grant => grant.scopes.join(' ') },
    { header: 'ON', value: grant => grant.resources.join(' ') || 'everything' },
    { header: 'STATUS', value: grant => grant.status },
    { header: 'EXPIRES', value: grant => ({ time: grant.expiresAt }) },
    { header: 'ID', value: grant => grant.id },
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
      ['valetkey grant ls --person maya@northwind.dev', 'who acts for a person'],
    ],
  })
    .option('--agent <agent>', 'the agent that acts')
    .option('--person <person>', 'the person it acts for')
    .action(withSession(io, list))
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
    addCommand(group, 'revoke <grant>', {
      summary: 'End a grant; tokens of it are refused at once',
      examples: [
        ['valetkey grant revoke gnt_01kam9 --reason "left the project"', 'by the beginning of its id'],
        ['valetkey grant revoke gnt_01kam9 --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, revoke))
}

async function list(session: Session, who: { agent?: string; person?: string }): Promise<void> {
  const { api, organization, print } = session
  const agent = who.agent && (await findAgent(session, who.agent)).id
  const person = who.person && (await findPerson(session, who.person)).id
  const filter = { ...organization, agent, person }
  print.list(grantView, await allPages(page => api.grants.list({ ...page, ...filter })))
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

async function revoke(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, organization, agentName, personEmail, scopes } = await findGrant(session, text)
  const preview = [`${agentName} no longer acts for ${personEmail} (${scopes.join(', ')}).`]
  if (!(await confirm(session, { name: id, preview, incident: true }, options))) return
  print.item(grantView, await api.grants.revoke({ organization, id }))
}
