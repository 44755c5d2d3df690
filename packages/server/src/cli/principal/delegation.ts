import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findAgent, findDelegation, findDelegationRule } from '../find.ts'
import { addWaitOption, type WaitOptions } from '../revocation/barrier.ts'
import { revokeNamed } from '../revocation/revoke.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

export type Delegation = Output<AdminApi['delegations']['get']>
type Rule = Output<AdminApi['delegationRules']['put']>

export const delegationView: View<Delegation> = {
  kind: 'Delegation',
  name: delegation => delegation.id,
  columns: [
    { header: 'FROM', value: delegation => delegation.delegatorName },
    { header: 'TO', value: delegation => delegation.delegateName },
    { header: 'SCOPES', value: delegation => delegation.scopes.join(' ') },
    { header: 'ON', value: delegation => delegation.resources.join(' ') },
    { header: 'STATUS', value: delegation => delegation.status },
    { header: 'EXPIRES', value: delegation => ({ time: delegation.expiresAt }) },
    { header: 'ID', value: delegation => delegation.id },
    { header: 'WHEN', value: delegation => delegation.condition, wide: true },
    { header: 'HOPS', value: delegation => delegation.hops, align: 'right', wide: true },
    { header: 'PARENT', value: delegation => delegation.parent, wide: true },
    { header: 'GRANT', value: delegation => delegation.grant, wide: true },
    { header: 'PURPOSE', value: delegation => delegation.purpose, wide: true },
  ],
}

const ruleView: View<Rule> = {
  kind: 'DelegationRule',
  name: rule => rule.id,
  columns: [
    { header: 'FROM', value: rule => rule.from },
    { header: 'TO', value: rule => rule.to },
    { header: 'AT MOST', value: rule => rule.scopes?.join(' ') ?? 'all that it may' },
    { header: 'BEYOND', value: rule => rule.beyond.join(' ') },
    { header: 'ID', value: rule => rule.id },
    { header: 'CREATED', value: rule => ({ time: rule.createdAt }), wide: true },
    { header: 'CREATED BY', value: rule => rule.createdBy, wide: true },
  ],
}

/** What agents let other agents do, and who may. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'delegation', {
    summary: 'Delegations: what agents let other agents do, and who may delegate to whom',
    examples: [
      ['valetkey delegation ls --agent support-bot', 'what it handed on, and was handed'],
      ['valetkey delegation allow agent:support-bot agent:billing-analyst', 'let one delegate to the other'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List delegations that let somebody act, or with --all also those that have ended',
    examples: [
      ['valetkey delegation ls --agent support-bot', 'those of one agent'],
      ['valetkey delegation ls --all -o wide', 'everything that is known of all'],
    ],
  })
    .option('--agent <agent>', 'that delegated, or was delegated to')
    .option('--all', 'also those that have ended')
    .action(withSession(io, list))
  addCommand(group, 'get <delegation>', {
    summary: 'Show a delegation with the chain that it stands in',
    examples: [
      ['valetkey delegation get dlg_01kam9', 'by the beginning of its id'],
      ['valetkey delegation get dlg_01kam9 --json', 'with the path from the root'],
    ],
  }).action(withSession(io, get))
  addConfirmOptions(
    addWaitOption(
      addCommand(group, 'revoke <delegation>', {
        summary: 'End a delegation and all that rest on it, at every enforcement point',
        examples: [
          ['valetkey delegation revoke dlg_01kam9 --reason done', 'by the beginning of its id'],
          ['valetkey delegation revoke dlg_01kam9 --dry-run', 'see what that touches'],
        ],
      }),
    ),
  ).action(
    withSession(io, (session, text: string, options: ConfirmOptions & WaitOptions) =>
      revokeNamed(session, 'delegation', text, options),
    ),
  )
  addRules(group, io)
}

function addRules(group: Command, io: Io): void {
  addCommand(group, 'rules', {
    summary: 'List who may delegate to whom; without a rule, nobody',
    examples: [
      ['valetkey delegation rules', 'all of them'],
      ['valetkey delegation rules --json', 'for a script'],
    ],
  }).action(withSession(io, listRules))
  addCommand(group, 'allow <from> <to>', {
    summary: 'Let agents delegate: agent:NAME, role:SLUG for all that hold it, or organization',
    examples: [
      [
        'valetkey delegation allow agent:support-bot agent:billing-analyst --scope invoices:read',
        'one to one',
      ],
      ['valetkey delegation allow role:triage organization', 'who holds a role, to all'],
    ],
  })
    .option('--scope <scopes>', 'the most that may be handed on; several times, or with commas', collect)
    .option('--beyond <scopes>', 'what the other may hold although this one does not', collect, [])
    .action(withSession(io, allow))
  addConfirmOptions(
    addCommand(group, 'disallow <rule>', {
      summary: 'Take a rule away, and end every delegation that was made under it',
      examples: [
        ['valetkey delegation disallow drl_01kam9 --reason review', 'by the beginning of its id'],
        ['valetkey delegation disallow drl_01kam9 --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, disallow))
}

async function list(session: Session, { agent, all }: { agent?: string; all?: true }): Promise<void> {
  const { api, organization, print } = session
  const of = agent === undefined ? {} : { agent: (await findAgent(session, agent)).id }
  const live = all !== true
  print.list(
    delegationView,
    await allPages(page => api.delegations.list({ ...page, ...organization, ...of, live })),
  )
}

async function get(session: Session, text: string): Promise<void> {
  session.print.item(delegationView, await findDelegation(session, text))
}

async function listRules({ api, organization, print }: Session): Promise<void> {
  print.list(ruleView, await allPages(page => api.delegationRules.list({ ...page, ...organization })))
}

async function allow(
  session: Session,
  from: string,
  to: string,
  { scope, beyond }: { scope?: string[]; beyond: string[] },
): Promise<void> {
  const { api, organization, print } = session
  const rule = await api.delegationRules.put({ ...organization, from, to, scopes: scope ?? null, beyond })
  print.item(ruleView, rule)
}

async function disallow(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, organization, from, to } = await findDelegationRule(session, text)
  const preview = [`${from} may not delegate to ${to} any more; what was made under this rule ends.`]
  if (!(await confirm(session, { name: id, preview, incident: true }, options))) return
  print.item(ruleView, await api.delegationRules.remove({ organization, id, reason: options.reason }))
}
