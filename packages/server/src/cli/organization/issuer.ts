import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findAgent, findIssuer } from '../find.ts'
import { addCommand, addGroup, allPages, collectWhole, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type Issuer = Output<AdminApi['issuers']['get']>
type Terms = Pick<
  Input<AdminApi['issuers']['create']>,
  'jwksUri' | 'jwks' | 'reusable' | 'byEmail' | 'tenant'
>

const view: View<Issuer> = {
  kind: 'Issuer',
  name: issuer => issuer.name,
  columns: [
    { header: 'NAME', value: issuer => issuer.name },
    { header: 'KIND', value: issuer => issuer.kind },
    { header: 'ISSUER', value: issuer => issuer.issuer },
    { header: 'RULES', value: issuer => String(issuer.rules.length) },
    { header: 'ID', value: issuer => issuer.id },
    { header: 'KEYS', value: issuer => (issuer.jwks ? 'given' : (issuer.jwksUri ?? 'found')), wide: true },
    { header: 'REUSABLE', value: issuer => (issuer.reusable ? 'yes' : 'no'), wide: true },
    { header: 'BY EMAIL', value: issuer => (issuer.byEmail ? 'yes' : 'no'), wide: true },
    { header: 'TENANT', value: issuer => issuer.tenant ?? '', wide: true },
    { header: 'CREATED', value: issuer => ({ time: issuer.createdAt }), wide: true },
    { header: 'ORGANIZATION', value: issuer => issuer.organization, wide: true },
  ],
}

const ruleView: View<Issuer['rules'][number]> = {
  kind: 'IssuerRule',
  name: rule => rule.credential,
  columns: [
    { header: 'AGENT', value: rule => rule.agentName },
    {
      header: 'CLAIMS',
      value: rule =>
        Object.entries(rule.claims)
          .map(pair => pair.join('='))
          .join(', '),
    },
    { header: 'CREDENTIAL', value: rule => rule.credential },
  ],
}

interface Options {
  jwksUri?: string
  jwks?: string
  reusable?: boolean
  byEmail?: boolean
  tenant?: string
}

/** Issuers elsewhere whose signed word counts: about programs that are agents, and about people. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'issuer', {
    summary: 'Trusted issuers: whose signed word counts about programs, and about people (ID-JAG)',
    examples: [
      ['valetkey issuer add github --workload https://token.actions.githubusercontent.com', 'CI jobs'],
      ['valetkey issuer map github deploy-bot repository=northwind/billing', 'which job is which agent'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List trusted issuers',
    examples: [
      ['valetkey issuer ls', 'as a table'],
      ['valetkey issuer ls --json', 'with their rules'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'rules <issuer>', {
    summary: 'List which workload of an issuer is which agent',
    examples: [
      ['valetkey issuer rules github', 'as a table'],
      ['valetkey issuer rules github --json', 'for programs'],
    ],
  }).action(withSession(io, rules))
  registerChanges(group, io)
  registerRules(group, io)
}

function registerChanges(group: Command, io: Io): void {
  const add = addCommand(group, 'add <name>', {
    summary: 'Take the word of an issuer, for workloads or for people',
    examples: [
      ['valetkey issuer add k8s --workload https://kubernetes.default.svc --reusable', 'a cluster'],
      ['valetkey issuer add okta --enterprise https://northwind.okta.com --by-email', 'for people (ID-JAG)'],
    ],
  })
    .option(
      '--workload <issuer>',
      'it says which program is which agent: https://…, or spiffe://TRUST-DOMAIN',
    )
    .option('--enterprise <issuer>', 'it says for which person an agent acts')
  addTerms(add).action(withSession(io, create))
  const set = addCommand(group, 'set <issuer>', {
    summary: 'Change what counts of an issuer',
    examples: [
      ['valetkey issuer set k8s --jwks keys.json', 'give its keys, where none can be fetched'],
      ['valetkey issuer set okta --no-by-email', 'only people who are linked'],
    ],
  })
  addTerms(set).action(withSession(io, change))
  addConfirmOptions(
    addCommand(group, 'rm <issuer>', {
      summary: 'Take the word of an issuer no more; what came by it is refused at once',
      examples: [
        ['valetkey issuer rm github --yes', 'at once'],
        ['valetkey issuer rm github --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, remove))
}

function addTerms(command: Command): Command {
  return command
    .option('--jwks-uri <url>', 'where its keys are; none: where its metadata says')
    .option('--jwks <file>', 'its keys, as a JWK set; none: they are fetched')
    .option('--reusable', 'a token may come more than once until it ends, as those of Kubernetes do')
    .option('--no-reusable', 'every token is good once')
    .option('--by-email', 'people are known by their address, too')
    .option('--no-by-email', 'people are known by a sign-in of theirs alone')
    .addOption(new Option('--tenant <tenant>', 'the tenant that it has to name; none: no tenant'))
}

function registerRules(group: Command, io: Io): void {
  addCommand(group, 'map <issuer> <agent> <claim...>', {
    summary: 'Say which workload of an issuer is an agent: all of these claims, each whole or up to one *',
    examples: [
      ['valetkey issuer map github deploy-bot repository=northwind/billing ref=refs/heads/main', 'a branch'],
      ['valetkey issuer map k8s pod-bot sub=system:serviceaccount:prod:billing', 'a service account'],
    ],
  }).action(withSession(io, map))
  addCommand(group, 'unmap <issuer> <agent>', {
    summary: 'Take back what makes workloads of an issuer an agent; its tokens are refused at once',
    examples: [
      ['valetkey issuer unmap github deploy-bot', 'all rules of that agent'],
      ['valetkey issuer rules github', 'what is left'],
    ],
  })
    .option('--credential <credential>', 'only this rule', collectWhole)
    .action(withSession(io, unmap))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.issuers.list({ ...page, ...organization })))
}

async function rules(session: Session, text: string): Promise<void> {
  session.print.list(ruleView, (await findIssuer(session, text)).rules)
}

async function create(
  session: Session,
  name: string,
  options: Options & { workload?: string; enterprise?: string },
): Promise<void> {
  const { workload, enterprise } = options
  const issuer = workload ?? enterprise
  if (issuer === undefined || (workload !== undefined && enterprise !== undefined))
    throw new UsageError(
      'What does it speak for?',
      'Of a program an issuer says which agent it is, of a person for whom an agent acts.',
      'Add --workload ISSUER, or --enterprise ISSUER.',
    )
  const kind = workload === undefined ? ('enterprise' as const) : ('workload' as const)
  const terms = await termsOf(session, options)
  const { api, organization, print } = session
  print.item(view, await api.issuers.create({ ...organization, name, kind, issuer, ...terms }))
  if (kind === 'workload') print.note(`Next: valetkey issuer map ${name} AGENT CLAIM=VALUE`)
}

async function change(session: Session, text: string, options: Options): Promise<void> {
  const { id: issuerId, organization } = await findIssuer(session, text)
  const terms = await termsOf(session, options)
  session.print.item(view, await session.api.issuers.update({ organization, issuerId, ...terms }))
}

async function remove(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { id: issuerId, organization, name, rules } = await findIssuer(session, text)
  const agents = [...new Set(rules.map(({ agentName }) => agentName))]
  const preview = [
    agents.length === 0 ? 'No workload comes by it.' : `Workloads come by it as ${agents.join(', ')}.`,
  ]
  if (!(await confirm(session, { name, preview }, options))) return
  session.print.item(
    view,
    await session.api.issuers.remove({ organization, issuerId, reason: options.reason }),
  )
}

async function map(session: Session, text: string, agent: string, claims: string[]): Promise<void> {
  const issuer = await findIssuer(session, text)
  const rule = {
    agent: (await findAgent(session, agent)).id,
    claims: Object.fromEntries(claims.map(toClaim)),
  }
  await replace(session, issuer, [...standing(issuer), rule])
}

async function unmap(
  session: Session,
  text: string,
  agent: string,
  { credential }: { credential?: string[] },
): Promise<void> {
  const issuer = await findIssuer(session, text)
  const { id } = await findAgent(session, agent)
  const isGone = (rule: Issuer['rules'][number]) =>
    rule.agent === id && (credential === undefined || credential.includes(rule.credential))
  const kept = issuer.rules.filter(rule => !isGone(rule))
  if (kept.length === issuer.rules.length) session.print.note(`No workload of ${issuer.name} is ${agent}.`)
  await replace(session, issuer, standing({ rules: kept }))
}

function standing({ rules }: Pick<Issuer, 'rules'>) {
  return rules.map(({ agent, claims }) => ({ agent, claims }))
}

async function replace(
  { api, print }: Session,
  { id: issuerId, organization }: Issuer,
  rules: ReturnType<typeof standing>,
): Promise<void> {
  print.list(ruleView, (await api.issuers.update({ organization, issuerId, rules })).rules)
}

function toClaim(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new UsageError(`"${text}" is no claim.`, 'A claim is written with what it says.', 'Write NAME=VALUE.')
}

async function termsOf(session: Session, options: Options): Promise<Terms> {
  const { jwksUri, jwks, reusable, byEmail, tenant } = options
  const orNone = (text: string | undefined) => (text === 'none' ? null : text)
  return {
    ...{ jwksUri: orNone(jwksUri), reusable, byEmail, tenant: orNone(tenant) },
    jwks:
      jwks === undefined || jwks === 'none'
        ? (orNone(jwks) as null | undefined)
        : await readKeySet(session, jwks),
  }
}

async function readKeySet({ io }: Session, file: string): Promise<Terms['jwks']> {
  try {
    return JSON.parse(await readFile(resolve(io.cwd, file), 'utf8')) as Terms['jwks']
  } catch (cause) {
    throw new UsageError(`Cannot read ${file}.`, (cause as Error).message, 'Name a file with a JWK set.')
  }
}
