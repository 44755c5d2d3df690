import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findAgent, findAlert, findOwnOrganization } from '../find.ts'
import {
  addCommand,
  addGroup,
  allPages,
  collect,
  type Session,
  wholeNumber,
  withSession,
} from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type Alert = Output<AdminApi['alerts']['get']>
type Policy = Output<AdminApi['alerts']['policy']>
type Kind = Alert['kind']

const KINDS: readonly Kind[] = [
  ...(['new_tool', 'new_resource_type', 'unusual_hour', 'burst', 'refusal_streak', 'dormant_awake'] as const),
]

const view: View<Alert> = {
  kind: 'Alert',
  name: alert => alert.id,
  columns: [
    { header: 'TIME', value: alert => ({ time: alert.at }) },
    { header: 'KIND', value: alert => alert.kind },
    { header: 'WHAT', value: alert => alert.sentence },
    { header: 'SUSPENDED', value: alert => (alert.suspension === 'none' ? 'no' : alert.suspension) },
    { header: 'ACKNOWLEDGED', value: alert => ({ time: alert.acknowledgedAt }) },
    { header: 'ID', value: alert => alert.id },
    { header: 'AGENT', value: alert => alert.agent, wide: true },
    { header: 'RAISED', value: alert => ({ time: alert.raisedAt }), wide: true },
    { header: 'BY', value: alert => alert.acknowledgedBy, wide: true },
    { header: 'NOTE', value: alert => alert.note, wide: true },
    { header: 'RECORDS', value: alert => alert.records.join(', '), wide: true },
  ],
}

const policyView: View<Policy> = {
  kind: 'AlertPolicy',
  name: policy => policy.organization,
  columns: [
    { header: 'TELLS OF', value: policy => policy.kinds.join(', ') },
    { header: 'SUSPENDS ON', value: policy => policy.suspendOn.join(', ') || 'nothing' },
    { header: 'WINDOW', value: policy => `${policy.windowDays} days` },
    { header: 'LEARNS', value: policy => `${policy.learnDays} days or ${policy.learnCalls} calls` },
    {
      header: 'BURST',
      value: policy => `${policy.burstFactor} times, ${policy.burstCalls} calls in five minutes`,
    },
    { header: 'REFUSALS', value: policy => `${policy.refusalStreak} in a row` },
    { header: 'DORMANT', value: policy => `${policy.dormantDays} days` },
  ],
}

/** What agents did otherwise than before. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'alert', {
    summary: 'What agents did otherwise than before, and what is done then',
    examples: [
      ['valetkey alert ls --open', 'what nobody has looked into yet'],
      ['valetkey alert policy --suspend-on burst,refusal_streak', 'stop such agents at once'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List alerts, newest first',
    examples: [
      ['valetkey alert ls --open', 'that nobody has acknowledged'],
      ['valetkey alert ls --agent support-bot --kind burst', 'of one agent and kind'],
    ],
  })
    .option('--open', 'that nobody has acknowledged')
    .option('--agent <agent>', 'of this agent')
    .addOption(new Option('--kind <kind>', 'of this kind').choices([...KINDS]))
    .option('--limit <count>', 'at most so many', wholeNumber, 100)
    .action(withSession(io, list))
  addCommand(group, 'show <alert>', {
    summary: 'Show an alert, and the records that it rests on',
    examples: [
      ['valetkey alert show alr_01kam', 'by a part of its id'],
      ['valetkey alert show alr_01kam --json', 'as data'],
    ],
  }).action(withSession(io, show))
  addCommand(group, 'ack <alert>', {
    summary: 'Say that somebody has looked into it',
    examples: [
      ["valetkey alert ack alr_01kam --note 'the yearly export'", 'with what came of it'],
      ['valetkey alert ack alr_01kam', 'without'],
    ],
  })
    .option('--note <text>', 'what came of it; goes on record', '')
    .action(withSession(io, acknowledge))
  registerPolicy(group, io)
}

function registerPolicy(group: Command, io: Io): void {
  addCommand(group, 'policy', {
    summary: 'Show or say when an organization is told, and what suspends an agent at once',
    examples: [
      ['valetkey alert policy', 'what holds now'],
      ['valetkey alert policy --suspend-on burst,refusal_streak', 'stop such agents at once'],
      ['valetkey alert policy --suspend-on none --burst-factor 8', 'tell only, and later'],
    ],
  })
    .option('--tell-of <kinds>', `of these alone: ${KINDS.join(', ')}; or none`, collect)
    .option('--suspend-on <kinds>', 'what suspends an agent at once; or none', collect)
    .option('--window-days <days>', 'how far back what is usual goes', wholeNumber)
    .option('--learn-days <days>', 'how long a new agent is learned', wholeNumber)
    .option('--learn-calls <count>', 'or until so many calls', wholeNumber)
    .option('--burst-factor <times>', 'so many times the usual most', wholeNumber)
    .option('--burst-calls <count>', 'and so many calls in five minutes', wholeNumber)
    .option('--refusal-streak <count>', 'so many refusals in a row', wholeNumber)
    .option('--dormant-days <days>', 'so long without a call', wholeNumber)
    .action(withSession(io, policy))
}

async function list(
  session: Session,
  { open, agent, kind, limit }: { open?: boolean; agent?: string; kind?: Kind; limit: number },
): Promise<void> {
  const { api, organization, print } = session
  const filters = {
    ...organization,
    ...(open && { open: 'true' }),
    ...(agent !== undefined && { agent: (await findAgent(session, agent)).id }),
    ...(kind !== undefined && { kind }),
  }
  print.list(view, await allPages(page => api.alerts.list({ ...filters, ...page }), limit))
}

async function show(session: Session, text: string): Promise<void> {
  const alert = await findAlert(session, text)
  session.print.item(view, alert)
  for (const record of alert.records) session.print.note(`valetkey why ${record}`)
}

async function acknowledge(session: Session, text: string, { note }: { note: string }): Promise<void> {
  const { id: alert } = await findAlert(session, text)
  session.print.item(view, await session.api.alerts.acknowledge({ alert, note }))
}

interface PolicyOptions extends Partial<Omit<Policy, 'organization' | 'kinds' | 'suspendOn'>> {
  tellOf?: string[]
  suspendOn?: string[]
}

async function policy(session: Session, { tellOf, suspendOn, ...numbers }: PolicyOptions): Promise<void> {
  const { id } = await findOwnOrganization(session)
  const { api, print } = session
  // The server says what it does not know.
  const kindsOf = (words: string[]) => words.filter(word => word !== 'none') as Kind[]
  const own = [
    'windowDays',
    'learnDays',
    'learnCalls',
    'burstFactor',
    'burstCalls',
    'refusalStreak',
    'dormantDays',
  ]
  const change: Input<AdminApi['alerts']['updatePolicy']> = {
    id,
    ...Object.fromEntries(Object.entries(numbers).filter(([name]) => own.includes(name))),
    ...(tellOf && { kinds: kindsOf(tellOf) }),
    ...(suspendOn && { suspendOn: kindsOf(suspendOn) }),
  }
  const isAsked = Object.keys(change).length > 1
  print.item(policyView, isAsked ? await api.alerts.updatePolicy(change) : await api.alerts.policy({ id }))
}
