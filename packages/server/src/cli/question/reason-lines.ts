import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Names } from '../names.ts'
import type { Session } from '../session.ts'
import { printable, toText } from '../terminal/index.ts'

type Via = Output<AdminApi['access']['check']>['via'][number]

/** Something that somebody may do, and by which roles. */
export interface Reasoned {
  subject: string
  permissions: readonly string[]
  via: readonly Via[]
}

const WIDEST_SUBJECT = 32

/**
 * What somebody may do, a few lines each: tables of permissions and reasons are wider than terminals.
 *
 *     customer/acme  invoices:read invoices:refund
 *                    by account-clerk through group Finance, given by maya@northwind.dev
 */
export function reasonLines(session: Session, items: readonly Reasoned[], names: Names): string[] {
  const width = Math.max(60, session.io.out.columns ?? 80)
  const widest = Math.max(...items.map(({ subject }) => [...subject].length))
  const indent = Math.min(widest, WIDEST_SUBJECT) + 2
  return items.flatMap(({ subject, permissions, via }) => {
    const lines = [
      ...wrap(permissions, width - indent),
      ...via.flatMap(each =>
        wrap(`by ${reasonOf(session, each, subject, names)}`.split(' '), width - indent),
      ),
    ].map(line => printable(line))
    const head = printable(subject)
    const fits = [...head].length <= indent - 2
    const first = fits ? head.padEnd(indent) + (lines.shift() ?? '') : head
    return [first, ...lines.map(line => ' '.repeat(indent) + line)]
  })
}

function reasonOf({ io, utc, print }: Session, via: Via, subject: string, names: Names): string {
  const end = toText({ time: via.expiresAt }, { colors: print.colors, now: io.now(), utc, relative: !utc })
  return [
    via.role,
    via.on === subject ? '' : ` on ${via.on}`,
    via.group === null ? '' : ` through group ${via.group}`,
    `, given by ${names(via.createdBy)}`,
    via.expiresAt === null ? '' : `, ends ${end.text}`,
  ].join('')
}

function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}
