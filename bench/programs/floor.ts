import { createServer, type ServerResponse } from 'node:http'
import { serve, settings } from '../child.ts'
import { openRow } from '../commit.ts'

export interface FloorSettings {
  directory: string
  postgresUrl?: string
}

/**
 * The least that a server in Node can do between a write and its effect elsewhere: it reads the request, commits one row,
 * tells whoever listens, and answers. Nobody is authenticated, nothing checked, logged or recorded.
 */
const { directory, postgresUrl } = settings<FloorSettings>()
const row = await openRow(directory, postgresUrl)
const listeners = new Set<ServerResponse>()

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    listeners.add(response)
    response.writeHead(200, ['content-type', 'text/event-stream'])
    response.flushHeaders()
    return
  }
  let text = ''
  request.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  request.on('end', async () => {
    const change = JSON.stringify(JSON.parse(text))
    await row.insert()
    for (const listener of listeners) listener.write(`event: change\ndata: ${change}\n\n`)
    response.writeHead(201, ['content-type', 'application/json']).end(change)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  serve(typeof address === 'object' ? `http://127.0.0.1:${address?.port}/` : '')
})
