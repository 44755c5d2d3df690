import type { Client } from '@modelcontextprotocol/client'

/** One beat of the demo: what was tried, what came back, how long it took. */
export interface Step {
  step: number
  title: string
  /** HTTP status, or what the client understood. */
  status: number | 'permitted' | 'refused' | 'answered' | 'confirmed' | 'shut out' | 'proved' | 'found'
  /** What a person reads. */
  text: string
  ms: number
}

/** Lets a beat happen, and shows it. */
export type Tell = (title: string, act: () => Promise<Omit<Step, 'step' | 'title' | 'ms'>>) => Promise<void>

export interface ToolCall {
  name: string
  arguments: Record<string, unknown>
}

/** Calls a tool and says what the client understood; `decision` is the id of a refusal. */
export async function call(client: Client, request: ToolCall) {
  const result = await client.callTool({ ...request })
  const content = (result.content as { type: string; text?: string }[] | undefined) ?? []
  const text = content
    .map(part => part.text ?? '')
    .join(' ')
    .trim()
  const denied = result._meta?.['valetkey/denied'] as { decision: string; reason: string } | undefined
  return { status: result.isError === true ? ('refused' as const) : ('permitted' as const), text, denied }
}

/** The same as a beat. */
export async function callAsBeat(client: Client, request: ToolCall) {
  const { status, text } = await call(client, request)
  return { status, text }
}

export function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
