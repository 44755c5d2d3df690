import { CATALOGUE } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import { applyPolicy } from './apply.ts'
import { readPolicy } from './fault.ts'

/** What a policy would change for some questions: it is applied, looked at, and taken back. */
export async function whatIfPolicy(
  ctx: directory.Context,
  input: directory.InputOf<'access', 'whatIf'>,
): Promise<directory.OutputOf<'access', 'whatIf'>> {
  const named = readPolicy(input.policy).organization ?? input.organization
  const { id } = await directory.getOrganization(ctx.store.db, named)
  const fork = await directory.forkOrganization(ctx, id)
  const { policy } = input
  return directory.asOneChange(
    ctx,
    [CATALOGUE, id],
    inside =>
      directory.compareAccess(inside, id, input, {
        fork,
        change: () => applyPolicy(inside, { organization: input.organization, policy, dryRun: false }),
      }),
    { isRehearsal: true },
  )
}
