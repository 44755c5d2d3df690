import { setImmediate } from 'node:timers/promises'
import { shapes } from '@valetkey/sdk/contract'
import { AppError, type Json, ROOT_RESOURCE, ROOT_TYPE } from '@valetkey/sdk/core'
import { parseRef } from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { getOrganization, quote } from '../reference.ts'
import { beginStep, type ImportStep } from './import-step.ts'
import { refuseExternalId, refuseMisplaced, refuseUnregistrable } from './resource-rules.ts'

type Imported = OutputOf<'resources', 'import'>
type Wanted = typeof shapes.NewResource._output

/** How many rows one transaction takes at most, and how long it is to take with its commit: others are waiting. */
const STEP_ROWS = 2_000
const STEP_MS = 40
/** How many rows are looked up and written at once; the first transaction takes so many, to see how long that takes. */
const PORTION = 100
const NewResource = shapes.NewResource.strict()

/**
 * Registers, renames and moves many resources in short transactions, so that no revocation waits behind them. A row
 * that cannot be taken is reported by its place, and changes nothing about the others. A row's parent may come before
 * it in the same import; a known row that names no parent stays where it is.
 */
export async function importResources(
  ctx: Context,
  input: InputOf<'resources', 'import'>,
): Promise<Imported> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const total: Imported = { created: 0, changed: 0, unchanged: 0, rejected: [] }
  for (let from = 0, size = PORTION; from < input.rows.length; ) {
    const { until, tookMs, ...done } = await runStep(
      ctx,
      organization,
      input.rows.slice(0, from + size),
      from,
    )
    // Rows take longer where many lie in their way, and wherever the machine has other work.
    size = Math.min(STEP_ROWS, Math.max(PORTION, Math.floor(((until - from) * STEP_MS) / tookMs)))
    total.created += done.created
    total.changed += done.changed
    total.unchanged += done.unchanged
    total.rejected.push(...done.rejected)
    from = until
    // What has come in meanwhile goes first.
    await setImmediate()
  }
  return total
}

/** Takes rows from a place on: all that there are, or as many as there is time for. */
async function runStep(
  ctx: Context,
  organization: Row<'organization'>,
  rows: readonly Json[],
  from: number,
): Promise<Imported & { until: number; tookMs: number }> {
  let began = 0
  const done = await ctx.store.write(async tx => {
    began = performance.now()
    const step = await beginStep(ctx, tx, organization.id)
    const rejected: Imported['rejected'] = []
    let until = from
    while (until < rows.length && (until === from || performance.now() - began < STEP_MS)) {
      const next = Math.min(rows.length, until + PORTION)
      await takePortion(step, rows.slice(until, next), until, rejected)
      until = next
    }
    return { ...(await step.finish(rejected.length)), rejected, until }
  })
  return { ...done, tookMs: performance.now() - began }
}

async function takePortion(
  step: ImportStep,
  rows: readonly Json[],
  from: number,
  rejected: Imported['rejected'],
): Promise<void> {
  const wanted: [place: number, row: Wanted][] = []
  const attempt = (row: number, work: () => void) => {
    try {
      work()
    } catch (refusal) {
      if (!(refusal instanceof AppError)) throw refusal
      rejected.push({ row, code: refusal.code, detail: refusal.message })
    }
  }
  for (const [index, row] of rows.entries())
    attempt(from + index, () => wanted.push([from + index, parseRow(row)]))
  await step.read(
    wanted.flatMap(([, { type, id, parent }]) => [{ type, id }, parentNamed(parent) ?? []].flat()),
  )
  for (const [place, row] of wanted) attempt(place, () => takeRow(step, row))
  rejected.sort((a, b) => a.row - b.row)
  await step.write()
}

function parseRow(row: Json): Wanted {
  const parsed = NewResource.safeParse(row)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue?.path.length ? `${quote(issue.path.join('.'))}: ` : ''
    throw new AppError('request.invalid', `${where}${issue?.message ?? 'This is not a resource.'}`)
  }
  refuseExternalId(parsed.data.id)
  return parsed.data
}

function parentNamed(ref: string | undefined): { type: string; id: string } | undefined {
  return ref === undefined ? undefined : parseRef(ref)
}

function takeRow(step: ImportStep, { type: slug, id, name: wanted, parent: ref }: Wanted): void {
  const type = step.type(slug)
  if (!type) throw new AppError('not_found', `No resource type ${quote(slug)}.`)
  refuseUnregistrable(type)
  const named = parentNamed(ref)
  const parent = named && step.find(named)
  if (ref !== undefined && !parent) throw new AppError('not_found', `No resource ${quote(ref)} to lie below.`)
  const before = step.find({ type: slug, id })
  const name = wanted ?? before?.name ?? ''
  const above = parent ?? (before ? undefined : { seq: ROOT_RESOURCE, typeId: ROOT_TYPE })
  if (above && above.seq !== before?.parentSeq) refuseMisplaced(step.types, type, above)
  const parentSeq = above?.seq ?? before?.parentSeq ?? ROOT_RESOURCE
  if (before) step.change(before, { name, parentSeq })
  else step.create({ typeId: type.id, externalId: id, name, parentSeq })
}
