import { setTimeout as sleep } from 'node:timers/promises'
import { say } from '../e2e/say.ts'
import { DEEDS, type Deed } from './policy.ts'

/** A call that was made, and what its caller was told. */
export interface Made {
  id: string
  deed: Deed
  /** `permitted`, the reason of a refusal, or `broken` where no answer came. */
  answer: string
}

export interface Load {
  /** All calls, once each is answered or broken. */
  stop(): Promise<readonly Made[]>
}

const PAUSE_MS = 10
const PAUSE_AFTER_BREAK_MS = 50
const PATIENCE_MS = 10_000

/** Callers that each make one call after another, permitted and refused ones, in both eras of MCP. */
export function startLoad(options: {
  urls: readonly string[]
  callersEach: number
  /** The token of an agent for a server. */
  tokenFor(agent: string, url: string): string
  random(): number
}): Load {
  const { urls, callersEach, tokenFor, random } = options
  const made: Made[] = []
  let isOver = false
  let count = 0

  async function run(url: string): Promise<void> {
    while (!isOver) {
      const deed = DEEDS[Math.floor(random() * DEEDS.length)] as Deed
      const id = `call-${++count}`
      const answer = await call(
        url,
        deed,
        id,
        tokenFor(deed.agent, url),
        random() < 0.5 ? 'modern' : 'legacy',
      )
      made.push({ id, deed, answer })
      await sleep(answer === 'broken' ? PAUSE_AFTER_BREAK_MS : random() * PAUSE_MS)
    }
  }

  const callers = urls.flatMap(url => Array.from({ length: callersEach }, () => run(url)))
  return {
    async stop() {
      isOver = true
      await Promise.all(callers)
      return made
    },
  }
}

async function call(
  url: string,
  deed: Deed,
  id: string,
  token: string,
  era: 'modern' | 'legacy',
): Promise<string> {
  const params = { name: deed.tool, arguments: { ...deed.arguments, call: id } }
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const { status, body } = await say(url, 'tools/call', params, { token, era, signal })
    if (status >= 500) return 'broken'
    if (body?.result && body.result.isError !== true) return 'permitted'
    const meta = body?.result?.['_meta'] as Record<string, { reason?: string }> | undefined
    return String(meta?.['valetkey/denied']?.reason ?? body?.error?.data?.['reason'] ?? `HTTP ${status}`)
  } catch {
    return 'broken'
  }
}
