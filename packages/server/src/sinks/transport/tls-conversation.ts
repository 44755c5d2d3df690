import { createConnection, type LookupFunction, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'

export interface TlsReceiver {
  host: string
  port: number
  lookup: LookupFunction
  servername?: string
  ca?: string
}

/**
 * How a receiver ended a conversation after we had: with a goodbye (`close_notify`), or by closing the connection without
 * one, which is also what becomes of one that is killed.
 */
export type Ended = { end: 'goodbye' } | { end: 'silence' } | { end: 'fault'; reason: string }

/** Says something to a receiver that has nothing to answer, and listens for how it ends (RFC 8446 §6.1). */
export function converse(receiver: TlsReceiver, text: string, limit: AbortSignal): Promise<Ended> {
  const { host, port, lookup, ...options } = receiver
  const raw = createConnection({ host, port, lookup, allowHalfOpen: true })
  const carried = withoutEnd(raw)
  const socket = connect({ socket: carried, host, minVersion: 'TLSv1.2', ...options })
  const ended = new Promise<Ended>(settle => {
    const fault = (reason: string) => settle({ end: 'fault', reason })
    const failed = ({ code, message }: NodeJS.ErrnoException) =>
      fault(`The connection failed: ${code ?? message}.`)
    let isSaid = false
    let hasGoodbye = false
    const late = () => fault('The receiver did not answer in time.')
    if (limit.aborted) late()
    limit.addEventListener('abort', late, { once: true })
    carried.on('error', failed)
    socket
      .once('secureConnect', () => socket.end(text, () => (isSaid = true)))
      .once('end', () => (hasGoodbye = true))
      .on('error', failed)
      .resume()
    raw
      // What came before is through the TLS layer by then.
      .once('end', () =>
        setImmediate(() => {
          if (!isSaid) fault('The receiver closed the connection before it had everything.')
          else settle({ end: hasGoodbye ? 'goodbye' : 'silence' })
        }),
      )
      .on('error', failed)
      .once('close', () => setImmediate(fault, 'The receiver broke the connection off.'))
  })
  return ended.finally(() => {
    socket.destroy()
    raw.destroy()
  })
}

/**
 * A connection as the TLS layer is given it: its end is kept from it, since it makes no difference between that and a
 * goodbye. So an end that TLS tells of is a goodbye.
 */
function withoutEnd(raw: Socket): Duplex {
  const carried = new Duplex({
    read: () => raw.resume(),
    write: (chunk, _encoding, done) => raw.write(chunk, done),
    final: done => raw.end(done),
  })
  // The TLS layer is done once both have said goodbye; how the connection ends is still to be heard.
  raw.on('data', chunk => {
    if (!carried.destroyed && !carried.push(chunk)) raw.pause()
  })
  return carried
}
