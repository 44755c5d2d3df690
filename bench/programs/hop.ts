import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type * as undici from 'undici'
import { serve, settings } from '../child.ts'

/** The gateway's own: the tests' dependencies bring another version, which is the one that this folder would find. */
const ofGateway = createRequire(new URL('../../packages/server/package.json', import.meta.url))
const { Pool } = ofGateway('undici') as typeof undici

/** The least that a proxy in Node can do: `node:http` in front, undici's dispatch behind, nothing decided or recorded. */
const { upstream } = settings<{ upstream: string }>()
const { origin, pathname } = new URL(upstream)
const pool = new Pool(origin, { pipelining: 1 })
const HOP_BY_HOP = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive'])

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const headers: string[] = []
    for (const [name, value] of Object.entries(request.headers))
      if (typeof value === 'string' && !HOP_BY_HOP.has(name)) headers.push(name, value)
    const answer: Buffer[] = []
    const head: [number, string[]] = [502, []]
    pool.dispatch(
      { path: pathname, method: request.method ?? 'GET', headers, body: Buffer.concat(chunks) },
      {
        onRequestStart: () => undefined,
        onResponseStart(_, status, answered) {
          head[0] = status
          for (const [name, value] of Object.entries(answered))
            if (typeof value === 'string' && !HOP_BY_HOP.has(name)) head[1].push(name, value)
        },
        onResponseData: (_, chunk) => void answer.push(chunk),
        onResponseEnd() {
          const body = Buffer.concat(answer)
          response.writeHead(head[0], [...head[1], 'content-length', String(body.length)]).end(body)
        },
        onResponseError: () => void response.writeHead(502).end(),
      },
    )
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  serve(typeof address === 'object' ? `http://127.0.0.1:${address?.port}${pathname}` : '')
})
