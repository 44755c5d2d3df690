import { AppError } from '@valetkey/sdk/core'
import { carriersOf, judge, type Matter } from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import {
  type Asking,
  ask,
  getPermission,
  getTarget,
  permissionsOf,
  refuseMismatch,
  refuseStale,
} from './question.ts'
import { toVia } from './via.ts'

type One = Pick<InputOf<'access', 'check'>, 'principal' | 'permission' | 'resource'>
type Checked = OutputOf<'access', 'check'>

/** Whether a principal holds a permission on a resource, and by which roles. Who or what is not known here has none. */
export function checkAccess(ctx: Context, input: InputOf<'access', 'check'>): Promise<Checked> {
  return ask(ctx, input, [input.principal], asking => checkOne(asking, input))
}

function checkOne(asking: Asking, one: One): Checked {
  const { view, revision } = asking
  if (asking.isStale) return { allowed: false, reason: 'stale', via: [], revision }
  const matter = matterOf(asking, one)
  const reason = judge(view, matter)
  const allowed = reason === 'permitted'
  return {
    allowed,
    reason,
    via: allowed ? carriers(asking, matter).map(held => toVia(view, held)) : [],
    revision,
  }
}

/** Any number of questions on the facts of one moment, answered in their order. */
export function checkManyAccess(
  ctx: Context,
  input: InputOf<'access', 'checkMany'>,
): Promise<OutputOf<'access', 'checkMany'>> {
  const principals = new Set(input.checks.map(({ principal }) => principal))
  return ask(ctx, input, [...principals], asking => ({
    results: input.checks.map((one, index) => {
      if (asking.isStale) return { allowed: false, reason: 'stale' }
      const reason = judge(
        asking.view,
        at(index, () => matterOf(asking, one)),
      )
      return { allowed: reason === 'permitted', reason }
    }),
    revision: asking.revision,
  }))
}

/** Everything that a principal may do on a resource. */
export function listEffective(
  ctx: Context,
  input: InputOf<'access', 'effective'>,
): Promise<OutputOf<'access', 'effective'>> {
  return ask(ctx, input, [input.principal], asking => {
    refuseStale(asking)
    const { view, revision, now } = asking
    const principal = asking.principal(input.principal)
    const target = getTarget(view, input.resource)
    const permissions = permissionsOf(view, target.type.fact.id)
      .filter(permission => judge(view, { principal, permission, target, now }) === 'permitted')
      .map(({ fact }) => fact.slug)
    return { permissions, revision }
  })
}

/** What a question means here. Throws for a permission or type that does not exist, and where the two do not fit. */
export function matterOf({ view, now, principal }: Asking, one: One): Matter {
  const permission = getPermission(view, one.permission)
  const target = getTarget(view, one.resource)
  refuseMismatch(permission, target, view)
  return { principal: principal(one.principal), permission, target, now }
}

export function carriers({ view }: Asking, { principal, permission, target, now }: Matter) {
  const { slug } = permission.fact
  return carriersOf(view, { principal: principal?.seq ?? 0, permission: slug, resource: target.seq, now })
}

/** Says of a fault in one of many questions in which it is. */
function at<T>(index: number, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause
    throw new AppError(cause.code, cause.message, { cause, path: `checks.${index}.${cause.path}` })
  }
}
