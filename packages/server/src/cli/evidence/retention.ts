import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { findOwnOrganization } from '../find.ts'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type Rule = Output<AdminApi['evidence']['setRetention']>
type Hold = Output<AdminApi['evidence']['hold']>

const ruleView: View<Rule> = {
  kind: 'Retention',
  name: rule => rule.organization,
  columns: [
    { header: 'ORGANIZATION', value: rule => rule.organization },
    { header: 'RECORDS', value: rule => rule.records },
    { header: 'KEPT', value: rule => (rule.days === null ? 'for ever' : `${rule.days} days`) },
  ],
}

const holdView: View<Hold> = {
  kind: 'LegalHold',
  name: hold => hold.id,
  columns: [
    { header: 'HOLD', value: hold => hold.id },
    { header: 'ORGANIZATION', value: hold => hold.organization },
    { header: 'PERSON', value: hold => hold.person },
    { header: 'REASON', value: hold => hold.reason },
    { header: 'SINCE', value: hold => ({ time: hold.createdAt }) },
    { header: 'RELEASED', value: hold => ({ time: hold.releasedAt }) },
    { header: 'BY', value: hold => hold.createdBy, wide: true },
  ],
}

/** Adds the commands that say how long records are kept, and which must be kept longer. */
export function addRetention(group: Command, io: Io): void {
  const retention = addGroup(group, 'retention', {
    summary: 'How long records are kept',
    examples: [
      ['valetkey audit retention ls', 'what is not named is kept for ever'],
      ['valetkey audit retention set calls 400 --org northwind', 'calls for 400 days'],
    ],
  })
  addCommand(retention, 'ls', {
    summary: 'List how long the records of organizations are kept',
    examples: [
      ['valetkey audit retention ls', 'all'],
      ['valetkey audit retention ls --org northwind', 'of one organization'],
    ],
  }).action(
    withSession(io, async ({ api, organization, print }) =>
      print.list(ruleView, (await api.evidence.retention(organization)).items),
    ),
  )
  addCommand(retention, 'set <records> <days>', {
    summary: 'Keep calls or changes of an organization for so many days, or for ever',
    examples: [
      [
        'valetkey audit retention set calls 400 --org northwind',
        'older ones go; their hashes stay in the log',
      ],
      ['valetkey audit retention set changes forever --org northwind', 'what is there already stays'],
    ],
  }).action(withSession(io, setRetention))
  addHolds(group, io)
}

async function setRetention(session: Session, records: string, days: string): Promise<void> {
  if (records !== 'calls' && records !== 'changes')
    throw new UsageError(`"${records}" is no kind of records.`, 'There are calls and changes.')
  if (!/^(\d{1,6}|forever)$/.test(days))
    throw new UsageError(`"${days}" is no number of days.`, 'Write it as 400, or forever.')
  const { api, print } = session
  const { id } = await findOwnOrganization(session)
  const rule = { organization: id, records, days: days === 'forever' ? null : Number(days) } as const
  print.item(ruleView, await api.evidence.setRetention(rule))
}

function addHolds(group: Command, io: Io): void {
  const hold = addGroup(group, 'hold', {
    summary: 'Legal holds: what must be kept whatever retention and people say',
    examples: [
      ["valetkey audit hold add --reason 'case 7 of 2026' --org northwind", 'all of an organization'],
      ['valetkey audit hold release hld_… --reason settled', 'and retention goes on'],
    ],
  })
  addCommand(hold, 'add', {
    summary: 'Keep all records of an organization, or those about one person',
    examples: [
      ["valetkey audit hold add --reason 'case 7 of 2026' --org northwind", 'nothing expires or is erased'],
      [
        "valetkey audit hold add --person jane@northwind.dev --reason 'case 7'",
        'what was done for her, and what she did',
      ],
    ],
  })
    .option('--person <name>', 'only records about this person')
    .requiredOption('--reason <text>', 'why; it stays on record')
    .action(withSession(io, addHold))
  addCommand(hold, 'ls', {
    summary: 'List holds, also those that were released',
    examples: [
      ['valetkey audit hold ls', 'all'],
      ['valetkey audit hold ls --org northwind', 'of one organization'],
    ],
  }).action(
    withSession(io, async ({ api, organization, print }) =>
      print.list(holdView, (await api.evidence.holds(organization)).items),
    ),
  )
  addCommand(hold, 'release <hold>', {
    summary: 'Release a hold',
    examples: [
      ['valetkey audit hold release hld_01kam3v9w2c8q0r5t7x1y4z6b8 --reason settled', 'by its id'],
      [
        "valetkey audit hold release hld_01kam3v9w2c8q0r5t7x1y4z6b8 --reason 'dismissed' -o json",
        'for a script',
      ],
    ],
  })
    .requiredOption('--reason <text>', 'why; it stays on record')
    .action(
      withSession(io, async ({ api, print }, id: string, { reason }: { reason: string }) =>
        print.item(holdView, await api.evidence.release({ id, reason })),
      ),
    )
}

async function addHold(
  session: Session,
  { person, reason }: { person?: string; reason: string },
): Promise<void> {
  const { api, print } = session
  const { id } = await findOwnOrganization(session)
  const wish = { organization: id, reason, ...(person !== undefined && { person }) }
  print.item(holdView, await api.evidence.hold(wish))
}
