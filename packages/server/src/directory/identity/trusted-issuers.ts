import { AppError, isId, newId } from '@valetkey/sdk/core'
import type { Db, Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { parsePublicKey } from '../credentials/public-key.ts'
import { refuseDuplicate } from '../duplicate.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readOwnPage } from '../page.ts'
import { getOrganization, quote } from '../reference.ts'
import { type IssuerRule, readIssuerRules, replaceIssuerRules } from './issuer-rules.ts'

type IssuerRow = Row<'trustedIssuer'>
type Issuer = OutputOf<'issuers', 'get'>
type Terms = Pick<
  InputOf<'issuers', 'update'>,
  'jwksUri' | 'jwks' | 'reusable' | 'byEmail' | 'tenant' | 'rules'
>
type Organization = Pick<Row<'organization'>, 'id' | 'slug'>

function toIssuer(row: IssuerRow, rules: IssuerRule[]): Issuer {
  return {
    ...{ id: row.id, organization: row.organizationId, name: row.name, kind: row.kind, issuer: row.issuer },
    jwksUri: row.jwksUri,
    jwks: row.jwks === null ? null : (JSON.parse(row.jwks) as Issuer['jwks']),
    ...{ reusable: row.reusable === 1, byEmail: row.byEmail === 1, tenant: row.tenant },
    ...{ rules, createdAt: row.createdAt, createdBy: row.createdBy },
  }
}

async function read(db: Db, row: IssuerRow): Promise<Issuer> {
  return toIssuer(row, (await readIssuerRules(db, [row.id])).get(row.id) ?? [])
}

async function getIssuer(db: Db, organization: Organization, ref: string): Promise<IssuerRow> {
  const found = await db
    .selectFrom('trustedIssuer')
    .selectAll()
    .where('organizationId', '=', organization.id)
    .where(isId(ref, 'trustedIssuer') ? 'id' : 'name', '=', ref)
    .executeTakeFirst()
  if (found) return found
  throw new AppError('not_found', `No trusted issuer ${quote(ref)} in ${organization.slug}.`)
}

export async function listIssuers(
  ctx: Context,
  input: InputOf<'issuers', 'list'>,
): Promise<OutputOf<'issuers', 'list'>> {
  const { db } = ctx.store
  const page = await readOwnPage(ctx, 'trustedIssuer', input)
  const ids = page.items.map(({ id }) => id)
  const rules = await readIssuerRules(db, ids)
  return { items: page.items.map(row => toIssuer(row, rules.get(row.id) ?? [])), next: page.next }
}

export async function showIssuer(ctx: Context, input: InputOf<'issuers', 'get'>): Promise<Issuer> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return read(ctx.store.db, await getIssuer(ctx.store.db, organization, input.issuerId))
}

/** Takes the word of an issuer. One for workloads is good for nothing before a rule says which program is which agent. */
export async function createIssuer(ctx: Context, input: InputOf<'issuers', 'create'>): Promise<Issuer> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const { name, kind, issuer, rules = [] } = input
  const blank: IssuerRow = {
    ...{ id: newId('trustedIssuer', ctx.now()), organizationId: organization.id, name, kind, issuer },
    ...{ jwksUri: null, jwks: null, reusable: 0, byEmail: 0, tenant: null },
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id },
  }
  const row = changed(blank, input, await readKeys(input))
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const sentence = `There is a trusted issuer ${quote(name)} in ${organization.slug} already.`
    await refuseDuplicate(tx.insertInto('trustedIssuer').values(row).execute(), sentence)
    await replaceIssuerRules(ctx, tx, organization, row, rules)
    const made = await read(tx, row)
    await recordIssuer(ctx, tx, 'issuer.created', row, summary(made))
    return made
  })
}

/** Changes what is said of an issuer. Whose word it is stays: at another one the same claims are somebody else's. */
export async function updateIssuer(ctx: Context, input: InputOf<'issuers', 'update'>): Promise<Issuer> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const keys = await readKeys(input)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getIssuer(tx, organization, input.issuerId)
    const shown = await read(tx, before)
    const after = changed(before, input, keys)
    const { id, organizationId: _, createdAt: __, ...values } = after
    await tx.updateTable('trustedIssuer').set(values).where('id', '=', id).execute()
    if (input.rules) await replaceIssuerRules(ctx, tx, organization, after, input.rules)
    const issuer = await read(tx, after)
    const [was, is] = [summary(shown), summary(issuer)]
    if (JSON.stringify(was) !== JSON.stringify(is))
      await recordIssuer(ctx, tx, 'issuer.updated', after, { before: was, after: is })
    return issuer
  })
}

/** Takes the word of an issuer no more: what came by its rules is refused everywhere, from the next revision on. */
export async function removeIssuer(ctx: Context, input: InputOf<'issuers', 'remove'>): Promise<Issuer> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = await getIssuer(tx, organization, input.issuerId)
    const issuer = await read(tx, row)
    await replaceIssuerRules(ctx, tx, organization, row, [])
    await tx.deleteFrom('trustedIssuer').where('id', '=', row.id).execute()
    await recordIssuer(ctx, tx, 'issuer.removed', row, summary(issuer))
    return issuer
  })
}

function changed(before: IssuerRow, terms: Terms, keys: string | null | undefined): IssuerRow {
  const { jwksUri, reusable, byEmail, tenant, rules } = terms
  const flag = (value: boolean | undefined, old: number) => (value === undefined ? old : value ? 1 : 0)
  const after: IssuerRow = {
    ...before,
    jwksUri: jwksUri === undefined ? before.jwksUri : jwksUri,
    jwks: keys === undefined ? before.jwks : keys,
    reusable: flag(reusable, before.reusable),
    byEmail: flag(byEmail, before.byEmail),
    tenant: tenant === undefined ? before.tenant : tenant,
  }
  requireFitting(after, rules)
  return after
}

function requireFitting(row: IssuerRow, rules: Terms['rules']): void {
  if (row.jwks !== null && row.jwksUri !== null)
    throw invalid('jwks', 'Give the keys themselves, or the address at which they are, one of the two.')
  const isSpiffe = row.issuer.startsWith('spiffe:')
  if (isSpiffe && row.jwks === null && row.jwksUri === null)
    throw invalid(
      'jwksUri',
      'A trust domain has no metadata: say where its keys are (jwksUri), or give them.',
    )
  if (row.kind === 'workload') {
    if (row.byEmail || row.tenant !== null)
      throw invalid(row.byEmail ? 'byEmail' : 'tenant', 'Workloads are mapped by rules alone.')
    return
  }
  if (isSpiffe) throw invalid('issuer', 'A trust domain says nothing of people.')
  if (row.reusable) throw invalid('reusable', 'An assertion about a person is good once.')
  if (rules && rules.length > 0) throw invalid('rules', 'Rules say which workload is which agent.')
}

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

/** Public keys as they are kept: written anew, so that nothing else that was sent stays. Undefined where nothing is said of them. */
async function readKeys({ jwks }: Terms): Promise<string | null | undefined> {
  if (!jwks) return jwks
  const keys: object[] = []
  for (const [index, key] of jwks.keys.entries()) {
    const path = `jwks.keys.${index}`
    if (PRIVATE.some(member => member in key))
      throw invalid(
        path,
        'This holds a private key. Send the public part only, and treat this key as leaked.',
      )
    const { jwk } = await parsePublicKey(key).catch((cause: AppError) => {
      throw invalid(path, cause.message, cause)
    })
    keys.push(jwk)
  }
  return JSON.stringify({ keys })
}

function invalid(path: string, sentence: string, cause?: unknown): AppError {
  return new AppError('request.invalid', sentence, { path, cause })
}

/** What an event says of an issuer. */
function summary({ name, kind, issuer, jwksUri, jwks, reusable, byEmail, tenant, rules }: Issuer) {
  return { name, kind, issuer, jwksUri, jwks, reusable, byEmail, tenant, rules }
}

function recordIssuer(
  ctx: Context,
  tx: Tx,
  type: string,
  { id, organizationId }: IssuerRow,
  detail: object,
): Promise<void> {
  const event = { organization: organizationId, type, target: id }
  return recordBy(ctx, tx, { ...event, detail: JSON.parse(JSON.stringify(detail)) })
}
