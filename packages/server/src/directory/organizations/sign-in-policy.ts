import { shapes } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import * as z from 'zod'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { getOrganization } from '../reference.ts'

type Shown = OutputOf<'signIn', 'get'>

/** How the people of an organization may sign in. */
export type SignInPolicy = Omit<Shown, 'organization'>

/** Everything that is configured is allowed; whoever has set a second factor up is asked for it. */
const DEFAULT: SignInPolicy = {
  methods: [...shapes.SignInMethod.options],
  secondFactor: 'optional',
  sessionMinutes: 720,
}

const Methods = z.array(shapes.SignInMethod)

/** What the columns of a policy say; all of them are null where there is none. */
export function toSignInPolicy(row: {
  methods: string | null
  secondFactor: SignInPolicy['secondFactor'] | null
  sessionMinutes: number | null
}): SignInPolicy {
  const { methods, secondFactor, sessionMinutes } = row
  if (methods === null || secondFactor === null || sessionMinutes === null) return DEFAULT
  return { methods: Methods.parse(JSON.parse(methods)), secondFactor, sessionMinutes }
}

export async function readSignInPolicy(db: Db, organizationId: string): Promise<SignInPolicy> {
  const row = await db
    .selectFrom('signInPolicy')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .executeTakeFirst()
  return row ? toSignInPolicy(row) : DEFAULT
}

export async function showSignInPolicy(ctx: Context, input: { id: string }): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  return { organization: id, ...(await readSignInPolicy(ctx.store.db, id)) }
}

/** Changes how people may sign in. Sessions that were opened in another way, or are older, count no more. */
export async function updateSignInPolicy(ctx: Context, input: InputOf<'signIn', 'update'>): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  refuseRepeated(input.methods ?? [])
  return ctx.store.write(async tx => {
    await lock(tx, id)
    const before = await readSignInPolicy(tx, id)
    const after: SignInPolicy = {
      methods: input.methods ?? before.methods,
      secondFactor: input.secondFactor ?? before.secondFactor,
      sessionMinutes: input.sessionMinutes ?? before.sessionMinutes,
    }
    if (JSON.stringify(after) === JSON.stringify(before)) return { organization: id, ...before }
    const row = { ...after, methods: JSON.stringify(after.methods) }
    await tx
      .insertInto('signInPolicy')
      .values({ organizationId: id, ...row })
      .onConflict(conflict => conflict.column('organizationId').doUpdateSet(row))
      .execute()
    const event = { organization: id, type: 'organization.sign_in_changed', target: id }
    await recordBy(ctx, tx, { ...event, detail: { before, after } })
    return { organization: id, ...after }
  })
}

function refuseRepeated(methods: readonly string[]): void {
  if (new Set(methods).size === methods.length) return
  throw new AppError('request.invalid', 'Name each way to sign in once.', { path: 'methods' })
}
