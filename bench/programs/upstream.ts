import { createServer } from 'node:http'
import { serve } from '../child.ts'
import { answerMcp } from './invoices.ts'

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  request.on('end', () => {
    const answer = request.method === 'POST' ? answerMcp(JSON.parse(text)) : undefined
    if (!answer) return void response.writeHead(request.method === 'POST' ? 202 : 405).end()
    const body = JSON.stringify(answer)
    response
      .writeHead(200, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))])
      .end(body)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  serve(typeof address === 'object' ? `http://127.0.0.1:${address?.port}/mcp` : '')
})
