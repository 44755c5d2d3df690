import { AppError, isId, newId } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readOwnPage } from '../page.ts'
import { getOrganization, getPrincipalByRef, getRole, quote } from '../reference.ts'
import { endLinks } from './end.ts'

type Rule = OutputOf<'delegationRules', 'put'>
type RuleRow = Row<'delegationRule'>

export async function listDelegationRules(
  ctx: Context,
  input: InputOf<'delegationRules', 'list'>,
): Promise<OutputOf<'delegationRules', 'list'>> {
  const page = await readOwnPage(ctx, 'delegationRule', input)
  const name = await namesOf(ctx.store.db, page.items)
  return { items: page.items.map(row => toRule(row, name)), next: page.next }
}

/** Lets one side delegate to the other, or changes within which bounds it may. */
export async function putDelegationRule(
  ctx: Context,
  input: InputOf<'delegationRules', 'put'>,
): Promise<Rule> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const sides = {
      delegator: await readSide(tx, organization, input.from, 'from'),
      delegate: await readSide(tx, organization, input.to, 'to'),
    }
    const bounds = {
      scopes: input.scopes === null ? null : JSON.stringify(distinct(input.scopes)),
      beyond: JSON.stringify(distinct(input.beyond)),
    }
    const before = await tx
      .selectFrom('delegationRule')
      .selectAll()
      .where('organizationId', '=', organization.id)
      .where('delegator', '=', sides.delegator)
      .where('delegate', '=', sides.delegate)
      .executeTakeFirst()
    if (before && before.scopes === bounds.scopes && before.beyond === bounds.beyond)
      return toRule(before, await namesOf(tx, [before]))
    const row: RuleRow = before
      ? { ...before, ...bounds }
      : {
          ...{ id: newId('delegationRule', ctx.now()), organizationId: organization.id, ...sides, ...bounds },
          ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id },
        }
    if (before) await tx.updateTable('delegationRule').set(bounds).where('id', '=', row.id).execute()
    else await tx.insertInto('delegationRule').values(row).execute()
    const names = await namesOf(tx, [row])
    const rule = toRule(row, names)
    const { from, to, scopes, beyond } = rule
    const old = before && toRule(before, names)
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: before ? 'delegation_rule.updated' : 'delegation_rule.created',
      target: row.id,
      detail: {
        ...{ from, to },
        before: old ? { scopes: old.scopes, beyond: old.beyond } : null,
        after: { scopes, beyond },
      },
    })
    return rule
  })
}

/** Takes a rule away, and with it every delegation that was made under it. */
export async function removeDelegationRule(
  ctx: Context,
  input: InputOf<'delegationRules', 'remove'>,
): Promise<Rule> {
  const { organizationId } = await locateRule(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const row = await locateRule(tx, input)
    const rule = toRule(row, await namesOf(tx, [row]))
    const ended = await endLinks(ctx, tx, { organizationId, ruleId: row.id })
    await tx.deleteFrom('delegationRule').where('id', '=', row.id).execute()
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'delegation_rule.removed',
      target: row.id,
      detail: { from: rule.from, to: rule.to, ended },
    })
    return rule
  })
}

async function locateRule(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<RuleRow> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'delegationRule')
    ? await db.selectFrom('delegationRule').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No rule ${quote(input.id)}.`)
  return found
}

/** What stands in the table for `agent:support-bot`, `role:clerk` or `organization`. */
async function readSide(
  db: Db,
  organization: Row<'organization'>,
  ref: string,
  path: 'from' | 'to',
): Promise<string> {
  if (ref === 'organization') return ref
  const role = /^role:(.+)$/s.exec(ref)?.[1]
  if (role !== undefined) return `role:${(await getRole(db, role, organization.id)).id}`
  const { id, kind } = await getPrincipalByRef(db, organization, ref)
  if (kind === 'agent') return `agent:${id}`
  throw new AppError('request.invalid', `Only agents delegate: ${quote(ref)} is none.`, { path })
}

type Names = (side: string) => string

/** Sides as people write them. */
async function namesOf(db: Db, rows: readonly RuleRow[]): Promise<Names> {
  const sides = rows.flatMap(({ delegator, delegate }) => [delegator, delegate])
  const ids = (kind: string) =>
    sides.filter(side => side.startsWith(`${kind}:`)).map(side => side.slice(kind.length + 1))
  const names = new Map<string, string>()
  const [agents, roles] = [ids('agent'), ids('role')]
  if (agents.length > 0)
    for (const { id, externalId } of await db
      .selectFrom('principal')
      .select(['id', 'externalId'])
      .where('id', 'in', agents)
      .execute())
      names.set(`agent:${id}`, `agent:${externalId}`)
  if (roles.length > 0)
    for (const { id, slug } of await db
      .selectFrom('role')
      .select(['id', 'slug'])
      .where('id', 'in', roles)
      .execute())
      names.set(`role:${id}`, `role:${slug}`)
  return side => names.get(side) ?? side
}

function toRule(row: RuleRow, name: Names): Rule {
  const { id, organizationId, delegator, delegate, scopes, beyond, createdAt, createdBy } = row
  return {
    ...{ id, organization: organizationId, from: name(delegator), to: name(delegate) },
    scopes: scopes === null ? null : (JSON.parse(scopes) as string[]),
    beyond: JSON.parse(beyond) as string[],
    ...{ createdAt, createdBy },
  }
}

function distinct(scopes: readonly string[]): string[] {
  return [...new Set(scopes)].sort()
}
