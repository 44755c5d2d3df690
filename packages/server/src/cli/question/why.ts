import { type AdminApi, ApiError, type Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, type Session, withSession } from '../session.ts'
import { EXIT, type Io, printable, UsageError, type View } from '../terminal/index.ts'
import { toQuestion } from './access-question.ts'
import { type Explained, explainedView, showReasons } from './access-view.ts'
import { verdictOf } from './call-view.ts'
import { legView } from './check.ts'
import { explainToday } from './explain-today.ts'

type Call = Output<AdminApi['decisions']['get']>

type Rebuilt = Output<AdminApi['decisions']['rebuild']>

/** `acting` names the chain of agents, as far as who asks may see them. */
const view: View<Call & { today: Explained | null; acting: string | null; rebuilt: Rebuilt }> = {
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
    { header: 'THROUGH', value: call => call.forwarded?.map(({ server }) => server).join(' > ') ?? null },
    { header: 'BY DELEGATION', value: call => call.acting ?? call.chain.join(' > ') },
    { header: 'CREDENTIAL', value: call => call.credential },
    { header: 'SERVER', value: call => call.server },
    { header: 'TOOL', value: call => call.tool ?? call.method },
    { header: 'DEFINITION', value: call => call.definition },
    { header: 'ARGUMENTS', value: call => JSON.stringify(call.arguments) },
    {
      header: 'RESOURCE',
      value: call => [call.resource, ...(call.otherResources ?? [])].filter(Boolean).join(', '),
    },
    { header: 'NEEDED', value: call => call.permission },
    {
      header: 'CARRIED BY',
      value: call => call.assignments.map(held => `${held.role} (given by ${held.createdBy})`).join(', '),
    },
    { header: 'LEGS', value: call => call.legs },
    { header: 'MODE', value: call => call.mode },
    { header: 'OUTCOME', value: call => call.outcome },
    { header: 'REVISION', value: ({ revision }) => `${revision.catalogue}.${revision.organization}` },
    { header: 'POINT', value: call => call.point },
    { header: 'TRACE', value: call => call.trace },
  ],
}

/** A decision that was made, and all that it rested on; or a question of access, with what would mend a no. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'why <decision-or-who> [permission] [resource]', {
    summary: `Explain a decision that was made, or who holds what, and what is missing (exit ${EXIT.verdictDeny} on a denial)`,
    examples: [
      ['valetkey why dec_01kam3v9w2c8q0r5t7x1y4z6b8', 'the id is in every refusal'],
      ['valetkey why maya@northwind.dev invoices:refund invoice/INV-1', 'a permission on a resource'],
    ],
  }).action(withSession(io, why))
}

async function why(
  session: Session,
  subject: string,
  permission: string | undefined,
  resource: string | undefined,
): Promise<void> {
  if (permission !== undefined) return whyAccess(session, subject, permission, resource)
  if (subject.startsWith('dec_')) return whyDecision(session, subject)
  throw new UsageError(
    `"${subject}" is not the id of a decision.`,
    'It stands in every refusal and in "valetkey audit query", and begins with dec_.',
    'Name one, or ask: valetkey why WHO PERMISSION RESOURCE',
  )
}

async function whyAccess(
  session: Session,
  who: string,
  permission: string,
  resource: string | undefined,
): Promise<void> {
  const { api, print, io } = session
  const question = await toQuestion(session, who, permission, resource)
  const explained = await api.access.explain(question)
  print.item(explainedView, explained)
  if (print.human) await showReasons(session, explained, question, who)
  if (!explained.allowed) io.exitCode = EXIT.verdictDeny
}

async function whyDecision(session: Session, id: string): Promise<void> {
  const { api, print, io } = session
  const call = await api.decisions.get({ id })
  const today = await explainToday(session, call)
  const acting = await actingOf(session, call)
  const rebuilt = await api.decisions.rebuild({ id })
  print.item(view, { ...call, today: today?.explained ?? null, acting, rebuilt })
  if (call.decision !== 'permit') io.exitCode = EXIT.verdictDeny
  if (print.human) showRebuilt(session, rebuilt)
  if (!print.human || !today) return
  const { explained, question, who } = today
  print.say('')
  print.say(printable(`As things stand now: ${explained.sentence}`))
  print.say(printable(explained.path.join(' < ')))
  await showReasons(session, explained, question, who)
}

/** The walk of the decision, made once more with the policy of its moment. */
function showRebuilt({ print }: Session, { explanation, agrees, note }: Rebuilt): void {
  print.say('')
  if (!explanation) {
    print.say(printable(`It cannot be decided again. ${note ?? ''}`))
    return
  }
  const outcome = agrees ? 'it comes out the same' : 'it comes out differently'
  print.say(`Decided again with the policy of that moment, ${outcome}:`)
  print.say('')
  print.list(legView, explanation.legs)
  if (note !== null) print.say(printable(note))
}

/** `support-bot > billing-analyst (dlg_…)`: who let whom act. */
async function actingOf({ api }: Session, { chain }: Call): Promise<string | null> {
  if (chain.length === 0) return null
  try {
    const links = await Promise.all(chain.map(id => api.delegations.get({ id })))
    const agents = [links[0]?.delegatorName, ...links.map(({ delegateName }) => delegateName)]
    return `${agents.join(' > ')} (${chain.join(', ')})`
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return null
    throw error
  }
}
