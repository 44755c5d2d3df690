import { setTimeout as sleep } from 'node:timers/promises'
import { completable, createMcpHandler, McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import type { Handler } from '@valetkey/sdk/guard'
import * as z from 'zod'
import type { Rules } from './northwind.ts'

/** A server with some of everything: tools, resources, prompts, completion, subscriptions, a call that takes long. */
export interface Library {
  handler: Handler
  notify: ReturnType<typeof createMcpHandler>['notify']
  /** What reached the tools, in order. */
  ran: string[]
  /** Rewrites the description of `search`, as a server does that was taken over. */
  describe(text: string): void
  /** Forgets the tool `shelve`. */
  removeShelve(): void
}

export const LIBRARY_RULES: Rules = {
  search: { needs: 'invoices:read', risk: 'read' },
  wait: { needs: 'invoices:read', risk: 'read' },
  shelve: { needs: 'invoices:refund', risk: 'dangerous' },
  'library://handbook': { kind: 'resource', needs: 'invoices:read', risk: 'read' },
  'library://page/*': { kind: 'resource', needs: 'invoices:read', risk: 'read' },
  'library://page/{name}': { kind: 'resource', needs: 'invoices:read', risk: 'read' },
  summarise: { kind: 'prompt', needs: 'invoices:read', risk: 'read' },
}

export function createLibrary(): Library {
  const ran: string[] = []
  let description = 'Find a page'
  let hasShelve = true
  const handler = createMcpHandler(() => {
    const server = new McpServer(
      { name: 'library', version: '1.0.0' },
      { capabilities: { resources: { subscribe: true } } },
    )
    registerTools(server, { ran, description, hasShelve })
    registerReadings(server)
    return server
  })
  return {
    handler: handler.fetch,
    notify: handler.notify,
    ran,
    describe(text) {
      description = text
    },
    removeShelve() {
      hasShelve = false
    },
  }
}

function registerTools(
  server: McpServer,
  { ran, description, hasShelve }: { ran: string[]; description: string; hasShelve: boolean },
): void {
  server.registerTool('search', { description, inputSchema: z.object({ q: z.string() }) }, async ({ q }) => {
    ran.push(`search ${q}`)
    return say(`found ${q}`)
  })
  server.registerTool(
    'wait',
    { description: 'Take long', inputSchema: z.object({ ms: z.number() }) },
    async ({ ms }, { mcpReq }) => {
      ran.push('wait')
      await sleep(ms, undefined, { signal: mcpReq.signal }).catch(() => ran.push('wait was cancelled'))
      return say('done')
    },
  )
  if (hasShelve)
    server.registerTool('shelve', { description: 'Put back', inputSchema: z.object({}) }, async () => {
      ran.push('shelve')
      return say('shelved')
    })
  server.registerTool('burn', { description: 'Nobody mapped this', inputSchema: z.object({}) }, async () => {
    ran.push('burn')
    return say('burnt')
  })
}

function registerReadings(server: McpServer): void {
  const read = (uri: string) => ({ contents: [{ uri, text: `the text of ${uri}` }] })
  server.registerResource('handbook', 'library://handbook', {}, async uri => read(uri.href))
  server.registerResource('secrets', 'library://secrets', {}, async uri => read(uri.href))
  const complete = { name: (value: string) => ['one', 'two'].filter(name => name.startsWith(value)) }
  const pages = new ResourceTemplate('library://page/{name}', { list: undefined, complete })
  server.registerResource('page', pages, {}, async uri => read(uri.href))
  const archive = new ResourceTemplate('library://archive/{name}', { list: undefined, complete })
  server.registerResource('archive', archive, {}, async uri => read(uri.href))
  const topic = completable(z.string(), value =>
    ['refunds', 'returns'].filter(name => name.startsWith(value)),
  )
  for (const name of ['summarise', 'gossip'])
    server.registerPrompt(name, { argsSchema: z.object({ topic }) }, ({ topic }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `${name} ${topic}` } }],
    }))
}

function say(text: string) {
  return { content: [{ type: 'text' as const, text }] }
}
