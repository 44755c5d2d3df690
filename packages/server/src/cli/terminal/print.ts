import picocolors from 'picocolors'
import { type Colors, printable, printableLines, toJson, toText, toYaml } from './cell.ts'
import { UsageError } from './failure.ts'
import type { Io } from './io.ts'
import { type Column, type Layout, toFields, toTable } from './table.ts'

export const FORMATS = ['table', 'wide', 'json', 'yaml', 'ndjson', 'csv', 'name'] as const
export type Format = (typeof FORMATS)[number]

export interface PrintOptions {
  output?: Format
  json?: boolean
  columns?: string
  color?: string
  utc?: boolean
}

/** How things of one kind are shown. */
export interface View<T> {
  /** As in the JSON: `Agent`; a list is an `AgentList`. */
  kind: string
  columns: readonly Column<T>[]
  /** What `-o name` prints. */
  name(item: T): string
}

export interface Printer {
  readonly colors: Colors
  /** Whether people read this rather than programs. */
  readonly human: boolean
  /** `more` goes beside the items where the output is one document. */
  list<T>(view: View<T>, items: readonly T[], more?: Record<string, unknown>): void
  item<T>(view: View<T>, item: T): void
  /** A sentence for people; nothing where the output is data. */
  say(line: string): void
  /** To stderr, always. */
  note(line: string): void
}

export function createPrinter(io: Io, options: PrintOptions): Printer {
  const format = options.json ? 'json' : (options.output ?? 'table')
  const colors = picocolors.createColors(wantsColor(io, options.color))
  const layout: Layout = {
    colors,
    now: io.now(),
    utc: options.utc === true,
    relative: io.out.isTerminal && options.utc !== true,
    width: io.out.isTerminal && format === 'table' ? (io.out.columns ?? 80) : undefined,
    tabs: !io.out.isTerminal && options.output === undefined,
  }
  const human = format === 'table' || format === 'wide'
  const shown = <T>(view: View<T>) => pick(view.columns, options.columns, format)
  const write = (text: string) => io.out.write(text)
  return {
    colors,
    human,
    list(view, items, more = {}) {
      switch (format) {
        case 'json':
          return write(`${toJson({ apiVersion: 'v1', kind: `${view.kind}List`, ...more, items }, 2)}\n`)
        case 'yaml':
          return write(toYaml({ apiVersion: 'v1', kind: `${view.kind}List`, ...more, items }))
        case 'ndjson':
          return write(items.map(item => `${toJson(item)}\n`).join(''))
        case 'csv':
          return write(toCsv(items, shown(view), layout))
        case 'name':
          return write(items.map(item => `${printable(view.name(item))}\n`).join(''))
        default:
          if (items.length === 0 && io.out.isTerminal) return io.err.write('Nothing found.\n')
          return write(toTable(items, shown(view), layout))
      }
    },
    item(view, item) {
      switch (format) {
        case 'json':
          return write(`${toJson({ apiVersion: 'v1', kind: view.kind, item }, 2)}\n`)
        case 'yaml':
          return write(toYaml({ apiVersion: 'v1', kind: view.kind, item }))
        case 'ndjson':
          return write(`${toJson(item)}\n`)
        case 'csv':
          return write(toCsv([item], shown(view), layout))
        case 'name':
          return write(`${printable(view.name(item))}\n`)
        default:
          return write(toFields(item, options.columns ? shown(view) : view.columns, layout))
      }
    },
    say: line => void (human && write(`${printableLines(line)}\n`)),
    note: line => io.err.write(`${printableLines(line)}\n`),
  }
}

/** `--color` first, then `NO_COLOR` and `FORCE_COLOR`, then whether this is a terminal. */
export function wantsColor(io: Pick<Io, 'env' | 'out'>, color = 'auto'): boolean {
  if (color !== 'auto') return color === 'always'
  if (io.env['NO_COLOR']) return false
  if (io.env['FORCE_COLOR'] && io.env['FORCE_COLOR'] !== '0') return true
  return io.out.isTerminal && io.env['TERM'] !== 'dumb'
}

function pick<T>(columns: readonly Column<T>[], wanted: string | undefined, format: Format): Column<T>[] {
  if (wanted === undefined) return columns.filter(column => format !== 'table' || !column.wide)
  return wanted.split(',').map(name => {
    const found = columns.find(column => column.header.toLowerCase() === name.trim().toLowerCase())
    if (found) return found
    const headers = columns.map(column => column.header.toLowerCase()).join(', ')
    throw new UsageError(`There is no column "${name}".`, `The columns are ${headers}.`)
  })
}

function toCsv<T>(items: readonly T[], columns: readonly Column<T>[], layout: Layout): string {
  const plain = { ...layout, relative: false }
  const cells = (item: T) =>
    columns.map(column => {
      const cell = column.value(item)
      return cell === null || cell === '' ? '' : toText(cell, plain).text
    })
  return [columns.map(column => column.header), ...items.map(cells)]
    .map(row => `${row.map(quote).join(',')}\r\n`)
    .join('')
}

/** RFC 4180; a leading sign cannot make a formula of it. */
function quote(field: string): string {
  const safe = /^[=+@\t\r]/.test(field) ? `'${field}` : field
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
