import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findOrganization } from '../find.ts'
import { addCommand, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type ConsentPolicy = Output<AdminApi['consent']['get']>

const view: View<ConsentPolicy> = {
  kind: 'ConsentPolicy',
  name: policy => policy.organization,
  columns: [
    { header: 'LONGEST', value: policy => toLength(policy.longestSeconds) },
    { header: 'PROPOSED', value: policy => toLength(policy.proposedSeconds) },
    { header: 'MAY ADOPT', value: policy => ADOPTION[String(policy.mayAdopt)] ?? '' },
    { header: 'ORGANIZATION', value: policy => policy.organization, wide: true },
  ],
}

const ADOPTION: Record<string, string> = { true: 'yes', false: 'no', null: 'as configured' }
const MAY_ADOPT: Record<string, boolean | null> = { yes: true, no: false, 'as-configured': null }

interface Changes {
  longest?: string
  proposed?: string
  mayAdopt?: string
}

/** How far the people of an organization may go when they let agents act for them. */
export function registerConsent(group: Command, io: Io): void {
  addCommand(group, 'consent <organization>', {
    summary: 'Show or say how far the people of an organization may go when they let agents act',
    examples: [
      ['valetkey org consent northwind', 'how far they may now'],
      [
        'valetkey org consent northwind --longest 7d --proposed 8h --may-adopt no',
        'for a week at most, and no agent that nobody knows',
      ],
    ],
  })
    .option('--longest <time>', 'the longest that somebody may let an agent act: 8h or 30d')
    .option('--proposed <time>', 'what the page proposes')
    .addOption(
      new Option('--may-adopt <answer>', 'whether people may take on agents that nobody knows').choices(
        Object.keys(MAY_ADOPT),
      ),
    )
    .action(withSession(io, consent))
}

async function consent(session: Session, text: string, changes: Changes): Promise<void> {
  const { id } = await findOrganization(session, text)
  const { longest, proposed, mayAdopt } = changes
  const { consent } = session.api
  const isAsking = Object.values(changes).every(value => value === undefined)
  const update = {
    longestSeconds: longest === undefined ? undefined : secondsOf(longest),
    proposedSeconds: proposed === undefined ? undefined : secondsOf(proposed),
    mayAdopt: mayAdopt === undefined ? undefined : MAY_ADOPT[mayAdopt],
  }
  session.print.item(view, isAsking ? await consent.get({ id }) : await consent.update({ id, ...update }))
}

function secondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,4})(h|d)$/.exec(text) ?? []
  if (count === undefined) throw new UsageError(`"${text}" is no length of time.`, 'Write it as 8h or 30d.')
  return Number(count) * (unit === 'h' ? 3_600 : 86_400)
}

function toLength(seconds: number): string {
  return seconds % 86_400 === 0 ? `${seconds / 86_400}d` : `${seconds / 3_600}h`
}
