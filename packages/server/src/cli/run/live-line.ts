import type { AttemptRecord } from '@valetkey/sdk/core'
import { printable } from '../terminal/index.ts'

/** One decision as a line, for who watches them happen. */
export function toLiveLine(record: AttemptRecord, server: string, isColored: boolean): string {
  const isPermitted = record.decision === 'permit'
  const word = isPermitted ? 'permit' : record.enforced ? 'DENY' : 'would deny'
  const color = isPermitted ? '\u001b[32m' : '\u001b[31m'
  const verdict = isColored ? `${color}${word}\u001b[0m` : word
  const why = isPermitted ? '' : `${record.reason}${record.detail ? ` (${record.detail})` : ''}`
  const columns = [
    plain(record.agentName ?? record.agent ?? '-').padEnd(16),
    plain(`${server}.${record.tool ?? record.method}`).padEnd(26),
    plain(record.resource ?? '-').padEnd(14),
    plain(why),
  ]
  const time = new Date(record.at).toTimeString().slice(0, 8)
  const pad = ' '.repeat(Math.max(0, 10 - word.length))
  return `  ${time}  ${verdict}${pad}  ${columns.join('  ').trimEnd()}\n`
}

/** One mail that went nowhere: whom it is for, what it is about, and its link. */
export function toMailLine({ to, subject, text }: { to: string; subject: string; text: string }): string {
  const link = /^https?:\S+$/m.exec(text)?.[0]
  const lines = [`${plain(to)}: ${plain(subject)}`, ...(link === undefined ? [] : [plain(link)])]
  return `  mail      ${lines.join('\n            ')}\n`
}

/** Nothing that a caller wrote moves the cursor of who watches, nor turns a line around. */
function plain(text: string): string {
  return printable(text).slice(0, 120)
}
