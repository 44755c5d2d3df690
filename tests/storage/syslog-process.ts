import { appendFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { CERTIFICATE, KEY } from '../../packages/server/src/oauth/testing/loopback-site.ts'

/**
 * A syslog server over TLS in a process of its own: `PORT FILE MODE`. It writes what it has read into the file once the
 * sender has ended. `keeps` says goodbye then, as RFC 5425 asks; `silent` only closes the connection, as some receivers
 * do; `hangs` reads everything, writes nothing and waits to be killed.
 */
const [port, file = '', mode] = process.argv.slice(2)

const server = createServer({ key: KEY, cert: CERTIFICATE, allowHalfOpen: true }, socket => {
  const chunks: Buffer[] = []
  socket.on('error', () => undefined)
  socket.on('data', chunk => chunks.push(chunk))
  socket.on('end', () => {
    process.stdout.write('read\n')
    if (mode === 'hangs') return
    appendFileSync(file, Buffer.concat(chunks))
    if (mode === 'silent') socket.destroy()
    else socket.end()
  })
})
server.listen(Number(port), '127.0.0.1', () =>
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`),
)
