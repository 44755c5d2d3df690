import { createHash } from 'node:crypto'
import { type DefinitionsRequest, definitionText, type JsonObject } from '../../core/index.ts'
import { connectMcp, type Send } from './mcp-client.ts'

/** What a server offers, as its lists say. */
export interface ServerOffer {
  era: 'modern' | 'legacy'
  capabilities: JsonObject
  tools: JsonObject[]
  resources: JsonObject[]
  resourceTemplates: JsonObject[]
  prompts: JsonObject[]
}

/** Reads all that an MCP server offers, in the era it speaks. */
export async function readOffer(options: {
  url: string
  send: Send
  headers?: Record<string, string>
  timeoutMs?: number
}): Promise<ServerOffer> {
  const client = await connectMcp(options)
  try {
    const has = (capability: string) => capability in client.capabilities
    return {
      era: client.era,
      capabilities: client.capabilities,
      tools: has('tools') ? await client.list('tools/list', 'tools') : [],
      resources: has('resources') ? await client.list('resources/list', 'resources') : [],
      resourceTemplates: has('resources')
        ? await client.list('resources/templates/list', 'resourceTemplates')
        : [],
      prompts: has('prompts') ? await client.list('prompts/list', 'prompts') : [],
    }
  } finally {
    await client.close()
  }
}

/** Hash of a tool's definition as a list shows it; the same as `definitionHash`, without waiting. */
export function hashDefinition(tool: JsonObject): string {
  return `sha256-${createHash('sha256').update(definitionText(tool)).digest('base64url')}`
}

/** The offer in the form in which an enforcement point reports it. */
export function toDefinitions(offer: ServerOffer): DefinitionsRequest['definitions'] {
  const plain = (kind: 'resource' | 'prompt', member: string) => (item: JsonObject) => ({
    kind,
    name: String(item[member] ?? ''),
    definition: null,
    description: textOf(item['description']),
    inputSchema: null,
    annotations: null,
  })
  return [
    ...offer.tools.map(tool => ({
      kind: 'tool' as const,
      name: String(tool['name'] ?? ''),
      definition: hashDefinition(tool),
      description: textOf(tool['description']),
      inputSchema: objectOrNull(tool['inputSchema']),
      annotations: objectOrNull(tool['annotations']),
    })),
    ...offer.resources.map(plain('resource', 'uri')),
    ...offer.resourceTemplates.map(plain('resource', 'uriTemplate')),
    ...offer.prompts.map(plain('prompt', 'name')),
  ]
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, 20_000) : null
}

function objectOrNull(value: unknown): JsonObject | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : null
}
