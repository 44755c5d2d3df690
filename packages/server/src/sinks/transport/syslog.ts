import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { pinnedLookup, type Reach } from '../../outbound/index.ts'
import { type Format, frame, toLine, toSyslog } from '../format/index.ts'
import { type Delivery, type SinkSettings, TIME_LIMIT_MS, type Transport } from './transport.ts'

/** What every receiver takes (RFC 5425 §4.3.1). */
const MOST_BYTES = 8192
const HEADER_BYTES = 512

/**
 * Syslog over TLS (RFC 5425). The protocol has no word for "received", so each batch has a connection of its own, and
 * counts as taken once the receiver has answered the end of it with its own end: whoever does has read all before it.
 */
export function createSyslogTransport(
  { url, format, authority }: SinkSettings,
  { reach, host }: { reach: Reach; host: string },
): Transport {
  const target = new URL(url)
  return async records => {
    const limit = AbortSignal.timeout(TIME_LIMIT_MS)
    const found = await reach(target, limit)
    if (!found.ok) return { ok: false, reason: NOT_REACHED[found.reason] }
    const frames = records.map(record =>
      frame(toSyslog(record, toLine(record, format as Format, MOST_BYTES - HEADER_BYTES), host)),
    )
    const name = target.hostname.replace(/^\[|\]$/g, '')
    const socket = connect({
      host: name,
      port: Number(target.port || 6514),
      // An address cannot be asked for by name (RFC 6066 §3); the certificate is held against it all the same.
      ...(isIP(name) === 0 && { servername: name }),
      minVersion: 'TLSv1.2',
      lookup: pinnedLookup(found.addresses),
      ...(authority !== null && { ca: authority }),
    })
    try {
      return await deliver(socket, frames.join(''), limit)
    } finally {
      socket.destroy()
    }
  }
}

export const NOT_REACHED = {
  address: 'The address lies within this network; sinkPrivateHosts does not name it.',
  host_unknown: 'The host has no address.',
  timeout: 'The receiver did not answer in time.',
} as const

function deliver(socket: TLSSocket, text: string, limit: AbortSignal): Promise<Delivery> {
  return new Promise(settle => {
    const fail = (reason: string) => settle({ ok: false, reason })
    limit.addEventListener('abort', () => fail(NOT_REACHED.timeout), { once: true })
    socket
      .once('secureConnect', () => socket.end(text))
      // It has nothing to say but that it is done.
      .resume()
      .once('end', () => settle(socket.writableFinished ? { ok: true } : { ok: false, reason: CUT }))
      .once('error', (error: NodeJS.ErrnoException) =>
        fail(`The connection failed: ${error.code ?? error.message}.`),
      )
      .once('close', () => fail(CUT))
  })
}

const CUT = 'The receiver closed the connection before it had everything.'
