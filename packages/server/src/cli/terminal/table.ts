import { type Cell, type Look, toText } from './cell.ts'

export interface Column<T> {
  header: string
  value(item: T): Cell
  align?: 'right'
  /** Only with `-o wide`. */
  wide?: true
}

export interface Layout extends Look {
  /** Columns of the terminal; undefined where lines may be as long as they are. */
  width: number | undefined
  /** Tab-separated, for programs. */
  tabs: boolean
}

const GAP = 2
const NARROWEST = 6

/** Rows under capital headers, without boxes. */
export function toTable<T>(items: readonly T[], columns: readonly Column<T>[], layout: Layout): string {
  const rows = items.map(item => columns.map(column => toText(column.value(item), layout)))
  if (layout.tabs)
    return [
      columns.map(column => column.header),
      ...rows.map(row => row.map(({ text, paint }) => paint(text))),
    ]
      .map(row => `${row.join('\t')}\n`)
      .join('')
  const widths = columns.map((column, at) =>
    Math.max(column.header.length, ...rows.map(row => lengthOf(row[at]?.text ?? ''))),
  )
  fit(widths, layout.width)
  const line = (cells: readonly { text: string; paint: (text: string) => string }[]) =>
    cells
      .map(({ text, paint }, at) => {
        const shown = shorten(text, widths[at] ?? 0)
        const padding = ' '.repeat((widths[at] ?? 0) - lengthOf(shown))
        return columns[at]?.align === 'right' ? padding + paint(shown) : paint(shown) + padding
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  const header = line(columns.map(column => ({ text: column.header, paint: String })))
  return `${[header, ...rows.map(line)].join('\n')}\n`
}

/** One thing, a line for each of its fields. */
export function toFields<T>(item: T, columns: readonly Column<T>[], layout: Layout): string {
  const width = Math.max(...columns.map(column => column.header.length))
  return columns
    .map(column => {
      const { text, paint } = toText(column.value(item), layout)
      const label = column.header.toLowerCase()
      return layout.tabs ? `${label}\t${paint(text)}\n` : `${label.padEnd(width + GAP)}${paint(text)}\n`
    })
    .join('')
}

/** Takes from the widest column until the row fits. */
function fit(widths: number[], width: number | undefined): void {
  if (width === undefined) return
  const total = () => widths.reduce((sum, each) => sum + each, 0) + GAP * (widths.length - 1)
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths))
    const current = widths[widest] ?? 0
    if (current <= NARROWEST) return
    widths[widest] = Math.max(NARROWEST, current - (total() - width))
  }
}

/** The middle gives way: the ends of a path say what it is. */
function shorten(text: string, width: number): string {
  const letters = [...text]
  if (letters.length <= width) return text
  const head = Math.ceil((width - 1) / 2)
  return `${letters.slice(0, head).join('')}…${letters.slice(letters.length - (width - 1 - head)).join('')}`
}

function lengthOf(text: string): number {
  return [...text].length
}
