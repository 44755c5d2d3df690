/** Hides how a file of resources gets to the authority: in steps, past broken lines, and on from where it stopped. */
import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, type Session, withSession } from '../../session.ts'
import { EXIT, type Io, UsageError, type View } from '../../terminal/index.ts'
import { batchesOf, type Step } from './batches.ts'
import {
  type Checkpoint,
  type Counts,
  checkpointPath,
  readCheckpoint,
  removeCheckpoint,
  sourceOf,
  writeCheckpoint,
} from './checkpoint.ts'
import { readLines } from './lines.ts'
import { count, createProgress } from './progress.ts'
import { openRejects, type Reject, rejectsPath } from './rejects.ts'
import { csvRows, ndjsonRows } from './rows.ts'

interface Summary extends Counts {
  file: string
  /** Where the refused rows are. */
  rejects: string | null
  /** The line at which an earlier run had stopped. */
  resumedAt: number | null
  complete: boolean
  elapsedMs: number
}

const view: View<Summary> = {
  kind: 'ResourceImport',
  name: summary => summary.file,
  columns: [
    { header: 'FILE', value: summary => summary.file },
    { header: 'ROWS', value: summary => count(summary.rows) },
    { header: 'CREATED', value: summary => count(summary.created) },
    { header: 'CHANGED', value: summary => count(summary.changed) },
    { header: 'UNCHANGED', value: summary => count(summary.unchanged) },
    { header: 'REFUSED', value: summary => count(summary.rejected) },
    { header: 'REFUSED ROWS', value: summary => summary.rejects },
    { header: 'SECONDS', value: summary => (summary.elapsedMs / 1000).toFixed(1) },
  ],
}

/** Adds `resource import`. */
export function registerImport(resources: Command, io: Io): void {
  addCommand(resources, 'import <file>', {
    summary: `Register resources from a file; the same command goes on where it stopped (exit ${EXIT.invalid} where rows were refused)`,
    examples: [
      ['valetkey resource import invoices.csv', 'columns type,id,name,parent'],
      ['valetkey resource import tree.ndjson', '{"type":"invoice","id":"INV-1","parent":"customer/acme"}'],
    ],
  })
    .option('--restart', 'begin at the first line, also where an earlier run stopped further on')
    .action(withSession(io, importFile))
}

async function importFile(
  session: Session,
  name: string,
  { restart = false }: { restart?: boolean },
): Promise<void> {
  const { io, print, context } = session
  const path = resolve(io.cwd, name)
  const rowsOf = formatOf(name)
  const { source, size } = await sourceOf(path)
  const target = `${context.url} ${session.organization.organization ?? ''}`
  const found = restart ? undefined : await findStop(path, name, { source, target })
  const checkpoint: Checkpoint = found ?? { ...fresh(), source, target }
  const started = io.now()
  const resumedAt = found?.nextLine ?? null
  if (resumedAt !== null) print.note(`Going on at line ${count(resumedAt)}, where the import stopped before.`)
  const stopped = () =>
    print.note(`Stopped before line ${count(checkpoint.nextLine)}. The same command goes on there.`)
  try {
    await run(session, { path, name, size, rowsOf }, checkpoint)
  } catch (error) {
    if (checkpoint.counts.rows > 0) stopped()
    throw error
  }
  const complete = !io.interrupted.aborted
  if (complete) await removeCheckpoint(path)
  else stopped()
  const { counts } = checkpoint
  const rejects = counts.rejected > 0 ? rejectsPath(name) : null
  print.item(view, { file: name, ...counts, rejects, resumedAt, complete, elapsedMs: io.now() - started })
  if (complete && counts.rejected > 0) io.exitCode = EXIT.invalid
}

function formatOf(name: string): typeof csvRows {
  if (/\.csv$/i.test(name)) return csvRows
  if (/\.(ndjson|jsonl)$/i.test(name)) return ndjsonRows
  throw new UsageError(
    `${name} is neither .csv nor .ndjson.`,
    'The end of its name says how a file is read.',
    'Give it a name that ends with .csv or .ndjson.',
  )
}

function fresh(): Omit<Checkpoint, 'source' | 'target'> {
  const counts = { rows: 0, created: 0, changed: 0, unchanged: 0, rejected: 0 }
  return { version: 1, nextLine: 1, rejectsBytes: 0, counts }
}

/** Where an earlier run stopped. A file that has changed since has other lines at those numbers. */
async function findStop(
  path: string,
  name: string,
  { source, target }: Pick<Checkpoint, 'source' | 'target'>,
): Promise<Checkpoint | undefined> {
  const found = await readCheckpoint(path).catch(() => {
    throw new UsageError(
      `${checkpointPath(name)} cannot be read.`,
      'It should say where the import stopped.',
      'Begin at the first line: add --restart.',
    )
  })
  if (!found || (found.source === source && found.target === target)) return found
  throw new UsageError(
    `An import of ${name} stopped before line ${count(found.nextLine)}.`,
    found.source === source
      ? `It went to another place: ${found.target.trim()}.`
      : 'The file has changed since.',
    'Begin at the first line: add --restart. Rows that are in already stay as they are.',
  )
}

interface Source {
  path: string
  name: string
  size: number
  rowsOf: typeof csvRows
}

/** Sends what lies behind the checkpoint, and moves it on with every step. */
async function run(session: Session, source: Source, checkpoint: Checkpoint): Promise<void> {
  const { io, print } = session
  const stream = createReadStream(source.path)
  const before = checkpoint.counts.rows
  const progress = createProgress(io, { label: `import ${source.name}`, size: source.size, before })
  const rejects = await openRejects(
    source.path,
    { bytes: checkpoint.rejectsBytes, count: checkpoint.counts.rejected },
    line => {
      progress.clear()
      print.note(line.replaceAll(source.path, source.name))
    },
  )
  try {
    const rows = source.rowsOf(readLines(stream))
    for await (const step of batchesOf(rows, { from: checkpoint.nextLine })) {
      const counts = await send(session, step, rejected => rejects.add(rejected))
      for (const key of Object.keys(counts) as (keyof Counts)[]) checkpoint.counts[key] += counts[key]
      checkpoint.nextLine = step.nextLine
      checkpoint.rejectsBytes = rejects.bytes
      await writeCheckpoint(source.path, checkpoint)
      progress.update({ rows: checkpoint.counts.rows, bytes: stream.bytesRead })
      if (io.interrupted.aborted) break
    }
  } finally {
    progress.clear()
    stream.destroy()
    await rejects.close()
  }
}

/** One request. What is refused is reported by line, whether it was refused here or there. */
async function send(
  { api, organization }: Session,
  { rows, faults }: Step,
  report: (rejects: Reject[]) => Promise<void>,
): Promise<Counts> {
  const answer: Output<AdminApi['resources']['import']> =
    rows.length === 0
      ? { created: 0, changed: 0, unchanged: 0, rejected: [] }
      : await api.resources.import({ ...organization, rows: rows.map(({ row }) => row) })
  const rejects = [
    ...faults.map(({ line, fault }): Reject => ({ line, code: 'request.invalid', detail: fault })),
    ...answer.rejected.map(
      ({ row: place, code, detail }): Reject => ({ line: 0, code, detail, ...rows[place] }),
    ),
  ].sort((a, b) => a.line - b.line)
  await report(rejects)
  const { created, changed, unchanged } = answer
  return { rows: rows.length + faults.length, created, changed, unchanged, rejected: rejects.length }
}
