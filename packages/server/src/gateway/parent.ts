import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server'
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { AppError } from '@valetkey/sdk/core'
import { cancelledBy } from './cancelled.ts'

interface ParentOptions {
  /** The MCP server, and how it is reached as the agent. */
  url: string
  fetch: typeof globalThis.fetch
  in: Readable
  out: Writable
  log(message: string, fault?: unknown): void
}

/** Serves the process that started this one, over stdin and stdout: it speaks MCP, and never sees a credential. */
export interface Parent {
  /** Resolves when the parent has gone. */
  gone: Promise<void>
  close(): Promise<void>
}

const REFUSED = 40_101
const UNREACHABLE = 50_201
const GOODBYE_MS = 2_000
const NEWEST = 'io.modelcontextprotocol/protocolVersion'

export async function serveParent(options: ParentOptions): Promise<Parent> {
  const { url, fetch, log } = options
  const parent = new StdioServerTransport(options.in, options.out)
  const server = new StreamableHTTPClientTransport(new URL(url), { fetch })
  /** Requests that wait for an answer; each ends with one, whatever becomes of the connection. */
  const waiting = new Map<RequestId, { stop: AbortController; isNewest: boolean }>()
  const gone = new Promise<void>(resolve => {
    for (const event of ['end', 'close', 'error']) options.in.once(event, () => resolve())
  })
  const tell = (message: JSONRPCMessage) =>
    void parent.send(message).catch(fault => log('The parent takes no message.', fault))
  const fail = (id: RequestId, fault: unknown) => {
    if (!waiting.delete(id)) return
    const code = fault instanceof AppError && fault.status < 500 ? REFUSED : UNREACHABLE
    tell({ jsonrpc: '2.0', id, error: { code, message: sentenceOf(fault) } })
  }

  async function pass(message: JSONRPCMessage): Promise<void> {
    const cancelled = cancelledBy(message)
    const under = cancelled === undefined ? undefined : waiting.get(cancelled)
    if (cancelled !== undefined && under?.isNewest) {
      // In the newest revision a request is cancelled by leaving it.
      waiting.delete(cancelled)
      return under.stop.abort()
    }
    if (!('method' in message) || !('id' in message)) return server.send(message)
    const { id } = message
    const stop = new AbortController()
    waiting.set(id, { stop, isNewest: isOfNewest(message) })
    await server
      .send(message, {
        requestSignal: stop.signal,
        onRequestStreamEnd: () => fail(id, new Error('The server ended the answer before it was whole.')),
      })
      .catch(fault => fail(id, fault))
  }

  parent.onmessage = message => void pass(message).catch(fault => log('The server takes no message.', fault))
  parent.onerror = fault => log('The parent sends what is not MCP.', fault)
  server.onmessage = message => {
    if (!('method' in message) && message.id !== undefined) {
      waiting.delete(message.id)
      const version = 'result' in message ? message.result['protocolVersion'] : undefined
      if (typeof version === 'string') server.setProtocolVersion(version)
    }
    tell(message)
  }
  server.onerror = fault => log('The connection to the server has a fault.', fault)
  await server.start()
  await parent.start()
  return {
    gone,
    async close() {
      // A courtesy to the server: this process does not outlive its parent for it.
      const told = server.terminateSession().catch(() => undefined)
      await Promise.race([told, sleep(GOODBYE_MS, undefined, { ref: false })])
      await server.close()
      await parent.close()
    },
  }
}

function isOfNewest({ params }: { params?: unknown }): boolean {
  return typeof (params as { _meta?: Record<string, unknown> } | undefined)?._meta?.[NEWEST] === 'string'
}

/** What our own parts say is for anybody; of the transport's errors only the sentence inside. */
function sentenceOf(fault: unknown): string {
  if (!(fault instanceof Error)) return 'The server cannot be reached.'
  const inner = /\{.*"message":"((?:[^"\\]|\\.)*)"/s.exec(fault.message)?.[1]
  try {
    return inner === undefined ? fault.message : (JSON.parse(`"${inner}"`) as string)
  } catch {
    return fault.message
  }
}
