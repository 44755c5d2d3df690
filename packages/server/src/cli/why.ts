import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { verdictOf } from './call-view.ts'
import { addCommand, type Session, withSession } from './session.ts'
import { EXIT, type Io, type View } from './terminal/index.ts'

const view: View<Output<AdminApi['decisions']['get']>> = {
  kind: 'Decision',
  name: call => call.id,
  columns: [
    { header: 'DECISION', value: verdictOf },
    { header: 'SENTENCE', value: call => call.sentence },
    { header: 'REASON', value: call => call.reason },
    { header: 'TIME', value: call => ({ time: call.at }) },
    { header: 'AGENT', value: call => call.agentName ?? call.agent },
    { header: 'OWNER', value: call => call.owner },
    { header: 'FOR', value: call => call.person },
    { header: 'GRANT', value: call => call.grant },
    { header: 'CREDENTIAL', value: call => call.credential },
    { header: 'SERVER', value: call => call.server },
    { header: 'TOOL', value: call => call.tool ?? call.method },
    { header: 'DEFINITION', value: call => call.definition },
    { header: 'ARGUMENTS', value: call => JSON.stringify(call.arguments) },
    { header: 'RESOURCE', value: call => call.resource },
    { header: 'NEEDED', value: call => call.permission },
    {
      header: 'CARRIED BY',
      value: call => call.assignments.map(held => `${held.role} (given by ${held.createdBy})`).join(', '),
    },
    { header: 'MODE', value: call => call.mode },
    { header: 'OUTCOME', value: call => call.outcome },
    { header: 'REVISION', value: ({ revision }) => `${revision.catalogue}.${revision.organization}` },
    { header: 'POINT', value: call => call.point },
    { header: 'TRACE', value: call => call.trace },
  ],
}

/** A decision that was made, and all that it rested on. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'why <decision>', {
    summary: `Explain a decision that was made (exit ${EXIT.verdictDeny} on a denial)`,
    examples: [
      ['valetkey why dec_01kam3v9w2c8q0r5t7x1y4z6b8', 'the id is in every refusal'],
      ['valetkey why dec_01kam3v9w2c8q0r5t7x1y4z6b8 --json', 'the whole record'],
    ],
  }).action(withSession(io, why))
}

async function why({ api, print, io }: Session, id: string): Promise<void> {
  const call = await api.decisions.get({ id })
  print.item(view, call)
  if (call.decision !== 'permit') io.exitCode = EXIT.verdictDeny
}
