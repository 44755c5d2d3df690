import type { Identity } from '../identity.ts'

export interface ToolCall {
  name: string
  arguments: Record<string, unknown>
}

/** What a client is asked to do at a server: list, one call that is permitted, one that is not. */
export interface Errand {
  url: string
  issuer: string
  identity: Identity
  permitted: ToolCall
  refused: ToolCall
  /** A folder of the client's own, gone afterwards. */
  home: string
}

/** What a client's user saw. */
export interface Visit {
  tools: string[]
  permitted: Seen
  refused: Seen
}
export interface Seen {
  isError: boolean
  text: string
}

/** A program or library that nobody here wrote, told to run an errand. */
export type Visitor = (errand: Errand) => Promise<Visit>

/** What both SDKs' clients have in common. */
export interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(call: ToolCall): Promise<unknown>
  close(): Promise<void>
}

export async function runErrand(client: AnyClient, errand: Errand): Promise<Visit> {
  try {
    const { tools } = await client.listTools()
    return {
      tools: tools.map(tool => tool.name),
      permitted: toSeen(await client.callTool(errand.permitted)),
      refused: toSeen(await client.callTool(errand.refused)),
    }
  } finally {
    await client.close()
  }
}

export function toSeen(result: unknown): Seen {
  const { content = [], isError = false } = result as { content?: { text?: string }[]; isError?: boolean }
  return { isError, text: content.map(part => part.text ?? '').join(' ') }
}
