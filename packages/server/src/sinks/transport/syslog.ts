import { isIP } from 'node:net'
import { pinnedLookup, type Reach } from '../../outbound/index.ts'
import { type Format, frame, toLine, toSyslog } from '../format/index.ts'
import { converse } from './tls-conversation.ts'
import { type SinkSettings, TIME_LIMIT_MS, type Transport } from './transport.ts'

/** What every receiver takes (RFC 5425 §4.3.1). */
const MOST_BYTES = 8192
const HEADER_BYTES = 512

/**
 * Syslog over TLS (RFC 5425). The protocol has no word for "received", so each batch has a connection of its own, and
 * counts as taken once the receiver has answered our goodbye with its own (§4.4), which it comes to behind all that was
 * sent. One that only closes the connection may have been killed: it is asked, by a connection with nothing in it, whether
 * it is there and never says goodbye. Only then its silence is taken for an answer.
 */
export function createSyslogTransport(
  { url, format, authority }: SinkSettings,
  { reach, host }: { reach: Reach; host: string },
): Transport {
  const target = new URL(url)
  const name = target.hostname.replace(/^\[|\]$/g, '')
  return async records => {
    const limit = AbortSignal.timeout(TIME_LIMIT_MS)
    const found = await reach(target, limit)
    if (!found.ok) return { ok: false, reason: NOT_REACHED[found.reason] }
    const frames = records.map(record =>
      frame(toSyslog(record, toLine(record, format as Format, MOST_BYTES - HEADER_BYTES), host)),
    )
    const receiver = {
      host: name,
      port: Number(target.port || 6514),
      lookup: pinnedLookup(found.addresses),
      // An address cannot be asked for by name (RFC 6066 §3); the certificate is held against it all the same.
      ...(isIP(name) === 0 && { servername: name }),
      ...(authority !== null && { ca: authority }),
    }
    const said = await converse(receiver, frames.join(''), limit)
    if (said.end === 'fault') return { ok: false, reason: said.reason }
    if (said.end === 'goodbye') return { ok: true }
    const asked = await converse(receiver, '', limit)
    return asked.end === 'silence' ? { ok: true } : { ok: false, reason: CUT }
  }
}

export const NOT_REACHED = {
  address: 'The address lies within this network; sinkPrivateHosts does not name it.',
  host_unknown: 'The host has no address.',
  timeout: 'The receiver did not answer in time.',
} as const

const CUT = 'The receiver closed the connection without a word that it had everything.'
