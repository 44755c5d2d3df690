import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { isId, type JsonObject } from '@valetkey/sdk/core'
import { type PolicySource, readPolicy } from '../../policy/index.ts'
import { namesOf } from '../names.ts'
import { splitPrincipal } from '../principal/principal.ts'
import { allPages, type Session } from '../session.ts'
import type { Printer, View } from '../terminal/index.ts'

type Compared = Output<AdminApi['access']['whatIf']>['principals'][number]

/** What somebody gains (+) or loses (-) by a policy. */
interface ReachChange {
  sign: '+' | '-'
  who: string
  permission: string
  on: string
}

const view: View<ReachChange> = {
  kind: 'ReachChange',
  name: change => change.who,
  columns: [
    { header: ' ', value: ({ sign }) => ({ sign }) },
    { header: 'WHO', value: change => change.who },
    { header: 'MAY', value: change => change.permission },
    { header: 'ON, AND BELOW', value: change => change.on },
  ],
}

/** As many as one comparison takes. */
const MOST = 50

/** Whose reach a policy would change: of those whom it names, and of those who hold a role that it names. */
export async function reachChanges(
  session: Session,
  source: Pick<PolicySource, 'policy'>,
): Promise<{ changes: Compared[]; leftOut: number }> {
  const policy = readPolicy(source.policy)
  const organization = policy.organization ?? session.organization.organization
  const where = organization === undefined ? {} : { organization }
  const named = [
    ...Object.keys(policy.agents).map(name => `agent:${name}`),
    ...Object.keys(policy.groups).map(name => `group:${name}`),
    ...Object.values(policy.groups).flatMap(group => group.members ?? []),
    ...policy.assignments.map(({ to }) => to),
  ].map(refOf)
  const all = [...new Set([...named, ...(await holdersOfRoles(session, Object.keys(policy.roles), where))])]
  const principals = all.slice(0, MOST)
  const answer = await session.api.access.whatIf({
    ...where,
    policy: source.policy as JsonObject,
    principals,
  })
  const changes = answer.principals.filter(({ gained, lost }) => gained.length + lost.length > 0)
  return { changes, leftOut: all.length - principals.length }
}

function refOf(text: string): string {
  const { kind, name } = splitPrincipal(text)
  return isId(name) ? name : `${kind}:${name}`
}

/** By name where that is known, so that nobody whom the policy names is asked about twice. */
async function holdersOfRoles(
  session: Session,
  roles: readonly string[],
  where: { organization?: string },
): Promise<string[]> {
  const { api } = session
  const known = new Set(
    (await allPages(page => api.roles.list({ ...page, ...where }))).map(role => role.slug),
  )
  const holders: string[] = []
  for (const role of roles) {
    if (!known.has(role)) continue
    const held = await allPages(page => api.assignments.list({ ...page, ...where, role }), MOST)
    holders.push(...held.map(({ principal }) => principal))
  }
  const names = await namesOf(session, holders)
  return holders.map(id => (names(id) === id ? id : `${KINDS[id.slice(0, 3)]}:${names(id)}`))
}

/** By the beginning of an id. */
const KINDS: Record<string, string> = { usr: 'user', agt: 'agent', grp: 'group', svc: 'service' }

export function showReachChanges(
  print: Printer,
  { changes, leftOut }: { changes: readonly Compared[]; leftOut: number },
): void {
  const rows = changes.flatMap(({ principal: who, gained, lost }) => [
    ...gained.map((each): ReachChange => ({ sign: '+', who, ...each })),
    ...lost.map((each): ReachChange => ({ sign: '-', who, ...each })),
  ])
  print.say('')
  if (rows.length === 0) print.say('Nobody who is named would reach more or less.')
  else {
    print.say('What would change about who reaches what:')
    print.say('')
    print.list(view, rows)
  }
  if (leftOut > 0) print.note(`${leftOut} more principals were not compared.`)
}
