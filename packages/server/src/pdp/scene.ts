import { isId, type PrincipalFact, ROOT_TYPE } from '@valetkey/sdk/core'
import type { Decision, OrganizationView, PermissionView } from '@valetkey/sdk/engine'
import * as directory from '../directory/index.ts'
import type { Evaluation } from './request.ts'

/** Whom and what the questions of one request name, found before any of them is answered: all on the same facts. */
export interface Scene {
  standing: directory.Standing
  now: number
  principal(subject: { type: string; id: string }): PrincipalFact | undefined
  /** The agent that acts, as `context.agent` names it. */
  agent(ref: string): PrincipalFact | undefined
  /** What an enforcement point would decide on a tool call; undefined where there is no such server or agent. */
  call(evaluation: Evaluation): Decision | undefined
}

const KINDS: Record<string, directory.PrincipalKind> = {
  user: 'user',
  // What COAZ-MCP calls whomever a token is about.
  identity: 'user',
  agent: 'agent',
  group: 'group',
  service: 'service',
}

export function kindOf(type: string): directory.PrincipalKind | undefined {
  return Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
}

type Subject = Pick<Evaluation['subject'], 'type' | 'id'>
type Question = { subject?: Subject | undefined; context: Evaluation['context'] }

/** Looks up everything that the questions name. */
export async function openScene(
  ctx: directory.Context,
  standing: directory.Standing,
  questions: readonly Question[],
  evaluations: readonly Evaluation[],
): Promise<Scene> {
  const { id } = standing.organization
  const clients = await agentsOfClients(ctx, id, questions)
  const agentName = (ref: string) => directory.nameOf('agent', clients.get(ref) ?? ref)
  const names = questions.flatMap(({ subject, context }) => [
    ...(subject ? [subjectName(subject)] : []),
    ...(context.agent ? [agentName(context.agent)] : []),
  ])
  const known = names.filter(name => name !== undefined)
  const find = await directory.findPrincipals(ctx.store.db, id, () => standing.view, known)
  const scene: Scene = {
    standing,
    now: ctx.now(),
    principal(subject) {
      const name = subjectName(subject)
      return name && find(name)
    },
    agent: ref => find(agentName(ref)),
    call: () => undefined,
  }
  const calls = await prepareCalls(ctx, scene, evaluations)
  scene.call = evaluation => calls.get(evaluation)?.(standing)
  return scene
}

function subjectName({ type, id }: Subject): directory.PrincipalName | undefined {
  const kind = kindOf(type)
  if (type === 'identity' && isId(id, 'agent')) return { id }
  return kind && directory.nameOf(kind, id)
}

/** By client id, the agent that it belongs to. */
async function agentsOfClients(
  ctx: directory.Context,
  organizationId: string,
  questions: readonly Question[],
): Promise<Map<string, string>> {
  const refs = new Set(questions.map(({ context }) => context.agent ?? ''))
  const clients = [...refs].filter(ref => isId(ref, 'client'))
  if (clients.length === 0) return new Map()
  const rows = await ctx.store.db
    .selectFrom('client')
    .select(['id', 'agentId'])
    .where('organizationId', '=', organizationId)
    .where('id', 'in', clients.slice(0, 1000))
    .execute()
  return new Map(rows.map(({ id, agentId }) => [id, agentId]))
}

export function isToolCall({ action, resource }: Pick<Evaluation, 'action' | 'resource'>): boolean {
  return action.name === 'tools/call' && resource.type === 'tool'
}

type Call = (standing: directory.Standing) => Decision | undefined

async function prepareCalls(
  ctx: directory.Context,
  scene: Scene,
  evaluations: readonly Evaluation[],
): Promise<Map<Evaluation, Call>> {
  const calls = new Map<Evaluation, Call>()
  for (const evaluation of evaluations) {
    if (!isToolCall(evaluation)) continue
    const { subject, resource, action, context } = evaluation
    const who = scene.principal(subject)
    const agent = context.agent ? scene.agent(context.agent) : who
    const colon = resource.id.indexOf(':')
    if (!who || agent?.kind !== 'agent' || colon === -1) continue
    const by = {
      organization: scene.standing.organization.id,
      agent: agent.id,
      person: who.id === agent.id ? null : who.id,
      delegation: null,
      now: scene.now,
    }
    const args = action.properties['arguments']
    const isObject = typeof args === 'object' && args !== null && !Array.isArray(args)
    const call = {
      server: resource.id.slice(0, colon),
      kind: 'tool' as const,
      name: resource.id.slice(colon + 1),
      arguments: isObject ? args : {},
    }
    const prepared = await directory.prepareCall(ctx, by, call)
    if (prepared) calls.set(evaluation, standing => prepared(standing).decision)
  }
  return calls
}

/** The permission that an action means on a resource of a type: its slug, or what is behind the colon where one has it. */
export function permissionFor(
  view: OrganizationView,
  typeId: string,
  action: string,
): PermissionView | undefined {
  const exact = view.catalogue.permissions.get(action)
  if (exact) return exact.fact.type === typeId ? exact : undefined
  const [only, ...others] = directory
    .permissionsOf(view, typeId)
    .filter(({ fact }) => shortName(fact.slug) === action)
  return others.length === 0 ? only : undefined
}

/** The name of the action that a permission is for: the shortest that means it and nothing else. */
export function actionName(view: OrganizationView, { fact }: PermissionView): string {
  const short = shortName(fact.slug)
  return permissionFor(view, fact.type, short)?.fact.id === fact.id ? short : fact.slug
}

function shortName(slug: string): string {
  return slug.slice(slug.indexOf(':') + 1)
}

/** What a resource entity names; undefined where there is no such type. */
export function targetFor(
  { view, organization }: directory.Standing,
  { type: slug, id }: { type: string; id: string },
): directory.Target | undefined {
  const type = view.catalogue.typesBySlug.get(slug)
  if (!type) return undefined
  const isRoot = type.fact.id === ROOT_TYPE && id === organization.id
  return directory.targetOf(view, type, isRoot ? organization.slug : id)
}
