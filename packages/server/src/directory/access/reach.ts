import { isHeard, rootsOf } from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { ask, refuseStale } from './question.ts'
import { toVia, type Via } from './via.ts'

type Reach = OutputOf<'access', 'reach'>

/**
 * Everything that a principal can reach, by the roles that it comes from. What a role gives is left out where another
 * one gives the same further up.
 */
export function listReach(ctx: Context, input: InputOf<'access', 'reach'>): Promise<Reach> {
  return ask(ctx, input, [input.principal], asking => {
    refuseStale(asking)
    const { view, revision, now } = asking
    const principal = asking.principal(input.principal)
    if (!principal || !isHeard(view, principal)) return { items: [], revision }
    const found = new Map<string, Reach['items'][number]>()
    for (const { fact } of view.catalogue.permissions.values())
      for (const { held } of rootsOf(view, { principal: principal.seq, permission: fact.slug, now })) {
        const item = found.get(held.assignment.id) ?? { via: toVia(view, held), permissions: [] }
        item.permissions.push({ slug: fact.slug, condition: fact.condition })
        found.set(held.assignment.id, item)
      }
    return { items: [...found.values()].sort(byPlace).map(inOrder), revision }
  })
}

function byPlace({ via: a }: { via: Via }, { via: b }: { via: Via }): number {
  return a.on < b.on || (a.on === b.on && a.role < b.role) ? -1 : 1
}

function inOrder({ via, permissions }: Reach['items'][number]): Reach['items'][number] {
  return { via, permissions: permissions.sort((a, b) => (a.slug < b.slug ? -1 : 1)) }
}
