import {
  type Context,
  type InputOf,
  locatePrincipal,
  type OutputOf,
  showPerson,
} from '../../directory/index.ts'
import { listFactors, removeFactor } from '../factor/factors.ts'
import { signOutEverywhere } from '../sign-in/sign-out.ts'

type Factor = OutputOf<'factors', 'remove'>

export async function listFactorsOf(
  ctx: Context,
  input: InputOf<'factors', 'list'>,
): Promise<OutputOf<'factors', 'list'>> {
  const { db } = ctx.store
  const { id } = await locatePrincipal(db, 'user', input.id, input.organization)
  const factors = await listFactors(db, id)
  return { items: factors.map(factor => ({ ...factor, person: id })), next: null }
}

/** Takes away what a person has lost: with the last factor the recovery codes go, and all sessions end. */
export async function removeFactorOf(ctx: Context, input: InputOf<'factors', 'remove'>): Promise<Factor> {
  const person = await locatePrincipal(ctx.store.db, 'user', input.id, input.organization)
  const by = { actor: ctx.actor.id, reason: input.reason ?? '', now: ctx.now() }
  return { ...(await ctx.store.write(tx => removeFactor(tx, person, input.factor, by))), person: person.id }
}

/** Ends all sessions of a person; the person may sign in again. */
export async function signOutPerson(
  ctx: Context,
  input: InputOf<'people', 'signOut'>,
): Promise<OutputOf<'people', 'signOut'>> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'user', input.id, input.organization)
  const by = { actor: ctx.actor.id, reason: input.reason, now: ctx.now() }
  await ctx.store.write(tx => signOutEverywhere(tx, { id, organizationId }, by))
  return showPerson(ctx, { id, organization: organizationId })
}
