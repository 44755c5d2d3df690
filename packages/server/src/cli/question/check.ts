import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type AdminApi, api, type Output } from '@valetkey/sdk/contract'
import type { JsonObject } from '@valetkey/sdk/core'
import { type Command, Option } from 'commander'
import { findAgent, findPerson, findServer } from '../find.ts'
import { addCommand, collect, type Session, withSession } from '../session.ts'
import { EXIT, type Io, UsageError, type View } from '../terminal/index.ts'
import { momentOf, toQuestion } from './access-question.ts'
import { checkedView, showReasons, showVia } from './access-view.ts'
import { explainToday } from './explain-today.ts'

type Explanation = Output<AdminApi['decisions']['check']>
type Leg = Explanation['legs'][number]

const view: View<Explanation> = {
  kind: 'Explanation',
  name: explanation => explanation.decision,
  columns: [
    {
      header: 'DECISION',
      value: ({ decision, mode }) => ({
        verdict: decision === 'deny' && mode !== 'enforce' ? 'would_deny' : decision,
      }),
    },
    { header: 'REASON', value: explanation => explanation.reason },
    { header: 'SENTENCE', value: explanation => explanation.sentence },
    { header: 'NEEDS', value: explanation => explanation.permission },
    { header: 'RESOURCE', value: explanation => explanation.resource },
    { header: 'CARRIED BY', value: explanation => explanation.assignments.map(held => held.role).join(', ') },
    { header: 'REVISION', value: ({ revision }) => `${revision.catalogue}.${revision.organization}` },
  ],
}

export const legView: View<Leg> = {
  kind: 'Leg',
  name: leg => leg.leg,
  columns: [
    { header: 'CHECK', value: leg => leg.leg },
    { header: 'RESULT', value: leg => leg.result.replace('_', ' ') },
    { header: 'DETAIL', value: leg => leg.detail },
  ],
}

/** What would be decided, and why. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'check <who> <what> [resource]', {
    summary: `Say whether somebody holds a permission, or what would be decided about a call of a tool; nothing is called (exit ${EXIT.verdictDeny} on a denial)`,
    examples: [
      ['valetkey check maya@northwind.dev invoices:read invoice/INV-1', 'a permission on a resource'],
      [`valetkey check support-bot get_invoice --server billing --args '{"customer":"acme"}'`, 'one call'],
      [
        'valetkey check support-bot refund --server billing --args @call.json --person maya@northwind.dev',
        'a call for a person',
      ],
    ],
  })
    .option('--server <server>', 'ask about a call of this MCP server; the agent is who, the tool is what')
    .option('--args <json>', 'the arguments, or @FILE; else none')
    .option('--scopes <scopes>', 'what the token would carry; else all that the agent may have', collect)
    .option('--person <person>', 'the person that the agent acts for')
    .option('--delegation <id>', 'the delegation by which it acts for another agent')
    .addOption(
      new Option('--kind <kind>', 'what would be used; else a tool').choices(
        api.tools.map.body.shape.kind.unwrap().options,
      ),
    )
    .option('--at <time>', 'as if it were then: affects expiries and conditions, not the policy')
    .action(withSession(io, check))
}

interface CheckOptions {
  server?: string
  args?: string
  scopes?: string[]
  person?: string
  delegation?: string
  kind?: 'tool' | 'resource' | 'prompt' | 'method'
  at?: string
}

async function check(
  session: Session,
  who: string,
  what: string,
  resource: string | undefined,
  { server, ...options }: CheckOptions,
): Promise<void> {
  if (server === undefined) return checkAccess(session, who, what, resource, options)
  if (resource !== undefined)
    throw new UsageError(
      `"${resource}" is one word too many.`,
      'What a call touches is named by its arguments.',
      'Leave it out, or ask about a permission without --server.',
    )
  return checkCall(session, who, what, { ...options, server })
}

const FOR_CALLS = ['args', 'scopes', 'person', 'delegation', 'kind'] as const

/** Whether somebody holds a permission on a resource. */
async function checkAccess(
  session: Session,
  who: string,
  permission: string,
  resource: string | undefined,
  { at, ...options }: Omit<CheckOptions, 'server'>,
): Promise<void> {
  const { api, print, io } = session
  const question = await toQuestion(session, who, permission, resource)
  const stray = FOR_CALLS.find(name => options[name] !== undefined)
  if (stray !== undefined)
    throw new UsageError(
      `--${stray} is for calls of a tool.`,
      'Without --server the question is about a permission.',
      'Add --server NAME, or leave it out.',
    )
  const checked = await api.access.check({ ...question, at: momentOf(session, at) })
  print.item(checkedView, checked)
  if (print.human && checked.via.length > 0) {
    print.say('')
    await showVia(session, checked.via)
  }
  if (checked.allowed) return
  io.exitCode = EXIT.verdictDeny
  if (print.human) print.note(`What is missing: valetkey why ${who} ${permission} ${question.resource}`)
}

async function checkCall(
  session: Session,
  who: string,
  name: string,
  options: CheckOptions & { server: string },
): Promise<void> {
  const { api, print, io } = session
  const callArguments = await readArguments(io, options.args ?? '{}')
  const [agent, server] = await Promise.all([findAgent(session, who), findServer(session, options.server)])
  const person = options.person === undefined ? undefined : (await findPerson(session, options.person)).id
  const explanation = await api.decisions.check({
    organization: agent.organization,
    agent: agent.id,
    person,
    delegation: options.delegation,
    server: server.id,
    kind: options.kind,
    name,
    arguments: callArguments,
    scopes: options.scopes,
    at: momentOf(session, options.at),
  })
  print.item(view, explanation)
  if (print.human) {
    print.say('')
    print.list(legView, explanation.legs)
    const { organization, id, name: agentName } = agent
    const about = { organization, agent: id, agentName, person: person ?? null }
    const today = await explainToday(session, { ...explanation, ...about })
    if (today) await showReasons(session, today.explained, today.question, today.who)
  }
  if (explanation.decision !== 'permit') io.exitCode = EXIT.verdictDeny
}

async function readArguments(io: Io, text: string): Promise<JsonObject> {
  const source = text.startsWith('@') ? `the file ${text.slice(1)}` : '--args'
  const json = text.startsWith('@') ? await readFile(resolve(io.cwd, text.slice(1)), 'utf8') : text
  try {
    const value = JSON.parse(json) as unknown
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as JsonObject
  } catch (error) {
    throw new UsageError(
      `What ${source} holds is not JSON.`,
      (error as Error).message,
      `Write it as '{"customer":"acme"}'.`,
    )
  }
  throw new UsageError(
    `What ${source} holds is not an object.`,
    'Arguments have names.',
    `Write them as '{"customer":"acme"}'.`,
  )
}
