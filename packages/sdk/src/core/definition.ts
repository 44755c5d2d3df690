import { canonicalJson } from './json.ts'

/** What of a tool's definition is pinned: all that a model or a client acts on. */
export interface ToolDefinition {
  name: string
  title?: string | undefined
  description?: string | undefined
  inputSchema?: unknown
  outputSchema?: unknown
  annotations?: unknown
}

/** The text that is hashed: the canonical form of the pinned members. */
export function definitionText(definition: Partial<ToolDefinition>): string {
  const { name, title, description, inputSchema, outputSchema, annotations } = definition
  return canonicalJson({ name, title, description, inputSchema, outputSchema, annotations })
}

/**
 * SHA-256 over the canonical form of a tool's definition, as `sha256-<base64url>`. A tool whose description or schema
 * changes after it was approved has another hash and is refused until someone looks (OWASP ASI02, "rug pull").
 */
export async function definitionHash(definition: ToolDefinition): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(definitionText(definition)))
  const base64 = btoa(String.fromCharCode(...new Uint8Array(digest)))
  return `sha256-${base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}
