import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NoteSigner, Trust } from '@valetkey/sdk/evidence'
import { addCheckpoint } from './add-checkpoint.ts'
import { openWitnessState } from './state.ts'

export interface WitnessSettings {
  /** Where it remembers what it has cosigned: its own, and kept as carefully as the key. */
  directory: string
  signer: NoteSigner
  trust: Trust
  host: string
  port: number
  nowSeconds?(): number
}

/** A witness that answers. */
export interface Witness {
  readonly url: string
  close(): Promise<void>
}

const MOST_BYTES = 64 * 1024

/** Starts a witness: a small process with its own key and memory, best on a machine of its own. */
export async function startWitness(settings: WitnessSettings): Promise<Witness> {
  const { directory, signer, trust, host, port } = settings
  const nowSeconds = settings.nowSeconds ?? (() => Math.floor(Date.now() / 1000))
  const state = openWitnessState(directory)
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8') =>
      void response.writeHead(status, { 'content-type': type }).end(body)
    if (request.method !== 'POST' || !request.url?.endsWith('/add-checkpoint'))
      return answer(404, 'Not found.\n')
    const parts: Buffer[] = []
    let bytes = 0
    request.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= MOST_BYTES) parts.push(part)
    })
    request.on('end', () => {
      if (bytes > MOST_BYTES) return answer(400, 'The request is too long.\n')
      try {
        // Nothing is awaited between looking and remembering, so two requests cannot both go on from the same tree.
        const text = Buffer.concat(parts).toString('utf8')
        const { status, body, type } = addCheckpoint(text, { state, signer, trust, nowSeconds })
        answer(status, body, type)
      } catch {
        answer(500, 'The memory of this witness cannot be used.\n')
      }
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
