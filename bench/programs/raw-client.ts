import { connect, type Socket } from 'node:net'
import type { Target } from './load.ts'

/** One connection that sends a request and says when its answer is whole. Only as much HTTP as the parties of a bench speak. */
export interface RawClient {
  send(body: string): Promise<string>
  close(): void
}

const END_OF_HEAD = '\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

/** Opens a connection; a load generator that does little leaves the machine to who is measured. */
export async function openRawClient({ url, headers }: Target): Promise<RawClient> {
  const { hostname, port, pathname, host } = new URL(url)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}content-length: `
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise<void>((resolve, reject) => void socket.once('connect', resolve).once('error', reject))
  socket.setEncoding('latin1')
  return {
    send(body) {
      const answer = readAnswer(socket)
      socket.write(`${head}${Buffer.byteLength(body)}${END_OF_HEAD}${body}`)
      return answer
    },
    close: () => socket.destroy(),
  }
}

function readAnswer(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const take = (chunk: string) => {
      text += chunk
      if (isWhole(text)) end(() => resolve(text))
    }
    const fail = () => end(() => reject(new Error('the connection ended before the answer was whole')))
    const end = (then: () => void) => {
      socket.off('data', take).off('close', fail)
      then()
    }
    socket.on('data', take).once('close', fail)
  })
}

function isWhole(text: string): boolean {
  const head = text.indexOf(END_OF_HEAD)
  if (head === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
  if (length === undefined) return text.endsWith(LAST_CHUNK)
  return text.length >= head + END_OF_HEAD.length + Number(length)
}
