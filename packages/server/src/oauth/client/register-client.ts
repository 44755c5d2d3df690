import { AppError, isoTime, newId } from '@valetkey/sdk/core'
import { record } from '../../audit/index.ts'
import {
  type Context,
  credentialFact,
  type InputOf,
  locatePrincipal,
  lock,
  type OutputOf,
} from '../../directory/index.ts'
import { beginChange, type Tx } from '../../store/index.ts'
import { findRedirectFault } from './redirect-uri.ts'

/** Registers where an agent that somebody here made may send people back, and whether it can prove who it is. */
export async function registerClient(
  ctx: Context,
  input: InputOf<'clients', 'register'>,
): Promise<OutputOf<'clients', 'register'>> {
  const { store } = ctx
  const principal = await locatePrincipal(store.db, 'agent', input.agent, input.organization)
  const { id: agent, organizationId, name } = principal
  const redirectUris = [...new Set(input.redirectUris)]
  for (const uri of redirectUris) {
    const fault = findRedirectFault(uri)
    if (fault !== undefined)
      throw new AppError('request.invalid', `The addresses to return to ${fault}.`, { path: 'redirectUris' })
  }
  const isPublic = input.isPublic && redirectUris.length > 0
  const { mustPush } = input
  await store.write(async tx => {
    await lock(tx, organizationId)
    await tx.deleteFrom('clientRegistration').where('clientId', '=', agent).execute()
    if (redirectUris.length > 0)
      await tx
        .insertInto('clientRegistration')
        .values({
          ...{ clientId: agent, kind: 'pre-registered' as const, name, uri: null },
          redirectUris: JSON.stringify(redirectUris),
          authentication: isPublic ? 'none' : 'credential',
          mustPush: Number(mustPush),
          ...{ registeredFrom: ctx.actor.id, createdAt: isoTime(ctx.now()), expiresAt: null },
        })
        .execute()
    await setPublic(ctx, tx, { agent, organizationId, isPublic })
    const event = {
      organization: organizationId,
      type: 'client.registered',
      actor: ctx.actor.id,
      target: agent,
    }
    await record(tx, { ...event, detail: { redirectUris, isPublic, mustPush } }, ctx.now())
  })
  return { clientId: agent, agent, redirectUris, isPublic, mustPush }
}

/** A client that proves nothing stands for itself by a credential all the same, so that it can be taken back. */
async function setPublic(
  ctx: Context,
  tx: Tx,
  { agent, organizationId, isPublic }: { agent: string; organizationId: string; isPublic: boolean },
): Promise<void> {
  const open = await tx
    .selectFrom('credential')
    .selectAll()
    .where('clientId', '=', agent)
    .where('kind', '=', 'public')
    .where('revokedAt', 'is', null)
    .execute()
  if (isPublic === open.length > 0) return
  const change = await beginChange(tx, organizationId, { actor: ctx.actor.id, now: ctx.now() })
  if (isPublic) {
    const row = {
      ...{ id: newId('credential', ctx.now()), organizationId, agentId: agent, clientId: agent },
      ...{ kind: 'public' as const, secretHash: null, publicJwk: null, thumbprint: null },
      ...{ label: 'client without a secret', createdAt: isoTime(ctx.now()), createdBy: ctx.actor.id },
      ...{ expiresAt: null, revokedAt: null, frozenAt: null, lastUsedAt: null, lastUsedFrom: null },
    }
    await tx.insertInto('credential').values(row).execute()
    await change.log({ fact: 'credential', id: row.id, value: credentialFact(row) })
  }
  for (const { id } of open) {
    await tx
      .updateTable('credential')
      .set({ revokedAt: isoTime(ctx.now()) })
      .where('id', '=', id)
      .execute()
    await change.log({ fact: 'credential', id, value: null })
  }
}
