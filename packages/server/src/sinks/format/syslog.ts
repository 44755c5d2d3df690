import { isoTime } from '@valetkey/sdk/core'
import { type Exported, timeOf } from './exported.ts'

/** Log audit (RFC 5424 §6.2.1). */
const FACILITY = 13
const SEVERITY = { alert: 1, denied: 4, other: 5 } as const
const BYTE_ORDER_MARK = '\ufeff'

/** A line as a syslog message (RFC 5424). `host` is who we are; the message is UTF-8, and says so where it must. */
export function toSyslog(exported: Exported, line: string, host: string): string {
  const { kind } = exported
  const isDenied = kind === 'call' && exported.call.decision !== 'permit'
  const severity = kind === 'alert' ? SEVERITY.alert : isDenied ? SEVERITY.denied : SEVERITY.other
  const header = [
    `<${FACILITY * 8 + severity}>1`,
    isoTime(timeOf(exported)),
    name(host, 255),
    'valetkey',
    '-',
    name(kind, 32),
    '-',
  ]
  return `${header.join(' ')} ${isAscii(line) ? '' : BYTE_ORDER_MARK}${line}`
}

/** Printable ASCII without spaces, as every field of the header must be (§6). */
function name(text: string, longest: number): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '').slice(0, longest) || '-'
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}

/** Messages one after the other on one stream, each behind its length in bytes (RFC 5425 §4.3). */
export function frame(message: string): string {
  return `${Buffer.byteLength(message)} ${message}`
}
