import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type AdminApi, api, type Output } from '@valetkey/sdk/contract'
import type { JsonObject } from '@valetkey/sdk/core'
import { type Command, Option } from 'commander'
import { findAgent, findServer } from './find.ts'
import { addCommand, collect, type Session, withSession } from './session.ts'
import { EXIT, type Io, parseSpan, UsageError, type View } from './terminal/index.ts'

type Explanation = Output<AdminApi['decisions']['check']>
type Leg = Explanation['legs'][number]

const view: View<Explanation> = {
  kind: 'Explanation',
  name: explanation => explanation.decision,
  columns: [
    {
      header: 'DECISION',
      value: ({ decision, mode }) => ({
        verdict: decision === 'deny' && mode === 'audit' ? 'would_deny' : decision,
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

const legView: View<Leg> = {
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
  addCommand(program, 'check <agent> <tool>', {
    summary: `Say what would be decided, and why; nothing is called (exit ${EXIT.verdictDeny} on a denial)`,
    examples: [
      [`valetkey check support-bot get_invoice --server billing --args '{"customer":"acme"}'`, 'one call'],
      [
        'valetkey check support-bot refund --server billing --args @call.json --scopes invoices:read',
        'with a weaker token',
      ],
    ],
  })
    .requiredOption('--server <server>', 'the MCP server that would be called')
    .option('--args <json>', 'the arguments, or @FILE', '{}')
    .option('--scopes <scopes>', 'what the token would carry; else all that the agent may have', collect)
    .addOption(
      new Option('--kind <kind>', 'what would be used')
        .choices(api.tools.map.body.shape.kind.unwrap().options)
        .default('tool'),
    )
    .option('--at <time>', 'as if it were then: affects expiries and conditions, not the policy')
    .action(withSession(io, check))
}

interface CheckOptions {
  server: string
  args: string
  scopes?: string[]
  kind: 'tool' | 'resource' | 'prompt' | 'method'
  at?: string
}

async function check(session: Session, who: string, name: string, options: CheckOptions): Promise<void> {
  const { api, print, io, utc } = session
  const callArguments = await readArguments(io, options.args)
  const [agent, server] = await Promise.all([findAgent(session, who), findServer(session, options.server)])
  const explanation = await api.decisions.check({
    organization: agent.organization,
    agent: agent.id,
    server: server.id,
    kind: options.kind,
    name,
    arguments: callArguments,
    scopes: options.scopes,
    at:
      options.at === undefined
        ? undefined
        : new Date(parseSpan(options.at, { now: io.now(), utc }).from).toISOString(),
  })
  print.item(view, explanation)
  if (print.human) {
    print.say('')
    print.list(legView, explanation.legs)
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
