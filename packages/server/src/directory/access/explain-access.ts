import { type Denial, judge, type Matter, nearOf, refOf, wouldAllow } from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { quote } from '../reference.ts'
import { carriers, matterOf } from './check-access.ts'
import { type Asking, ask, wayUp } from './question.ts'
import { toVia, type Via } from './via.ts'

type Explained = OutputOf<'access', 'explain'>

/** How many roles that would allow it are told: the smallest ones are the first. */
const MOST_OFFERED = 10

/** Why a principal may or may not: what carries it, or what came close and the smallest role that would mend it. */
export function explainAccess(ctx: Context, input: InputOf<'access', 'explain'>): Promise<Explained> {
  return ask(ctx, input, [input.principal], asking => {
    const { view, revision } = asking
    const matter = matterOf(asking, input)
    const reason = asking.isStale ? 'stale' : judge(view, matter)
    const path = wayUp(view, matter.target)
    const allowed = reason === 'permitted'
    const via = allowed ? carriers(asking, matter).map(held => toVia(view, held)) : []
    const missing = reason === 'permission_missing' ? whatIsMissing(asking, matter) : NOTHING
    const who = quote(matter.principal?.name ?? input.principal)
    const sentence =
      reason === 'permitted'
        ? allowedSentence(who, input, via)
        : `Denied: ${deniedSentence[reason](who, input, matter)}${offer(missing.wouldAllow)}`
    return { allowed, reason, via, revision, sentence, path, ...missing }
  })
}

type Missing = Pick<Explained, 'near' | 'wouldAllow'>
const NOTHING: Missing = { near: [], wouldAllow: [] }

function whatIsMissing({ view }: Asking, { principal, permission, target, now }: Matter): Missing {
  const question = {
    principal: principal?.seq ?? 0,
    permission: permission.fact.slug,
    resource: target.seq,
    now,
  }
  return {
    near: nearOf(view, question).map(held => toVia(view, held)),
    wouldAllow: wouldAllow(view, question)
      .slice(0, MOST_OFFERED)
      .map(({ role, resource, alsoGives }) => ({
        role: role.fact?.slug ?? role.id,
        on: refOf(view, resource),
        alsoGives,
      })),
  }
}

type Input = InputOf<'access', 'explain'>

function allowedSentence(who: string, { permission, resource }: Input, via: readonly Via[]): string {
  const by = via.map(
    ({ role, on, group, createdBy }) =>
      `role ${role} on ${on}${group === null ? '' : ` through group ${group}`}, given by ${createdBy}`,
  )
  return `Allowed: ${who} holds ${permission} on ${quote(resource)} through ${by.join('; ')}.`
}

const deniedSentence: Record<Denial | 'stale', (who: string, input: Input, matter: Matter) => string> = {
  stale: () => 'the facts here are older than the revision that was asked for.',
  frozen: () => 'the organization is frozen by an administrator.',
  principal_unknown: who => `there is no ${who} in this organization.`,
  resource_unknown: (_, { resource }) => `there is no ${quote(resource)} in this organization.`,
  suspended: (who, _, { principal }) =>
    principal?.status === 'active' ? `the owner of ${who} is gone.` : `${who} is ${principal?.status}.`,
  permission_missing: (who, { permission, resource }) =>
    `no role of ${who} on ${quote(resource)} or above it holds ${permission}.`,
  condition_failed: (who, { permission }, matter) =>
    `${who} has a role that holds ${permission}, but its condition does not hold (${matter.permission.fact.condition}).`,
}

function offer([smallest]: Missing['wouldAllow']): string {
  return smallest ? ` Role ${smallest.role} on ${smallest.on} would give it.` : ''
}
