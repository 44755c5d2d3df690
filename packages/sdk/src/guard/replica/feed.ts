import type { Copy } from './copy.ts'
import type { Link } from './link.ts'
import { pause } from './pause.ts'

/** The stream of changes of what is held, from where it stands, for as long as this start lasts. */
export interface Feed {
  follow(): Promise<void>
  /** Asks again at once: for what has come to be held since, too. */
  restart(): void
}

export interface FeedOptions {
  link: Pick<Link, 'changes'>
  copy: Copy
  ended: AbortSignal
  onFault(fault: unknown): void
}

const RETRY_MS = [100, 200, 500, 1_000, 2_000] as const

export function createFeed({ link, copy, ended, onFault }: FeedOptions): Feed {
  let current = new AbortController()

  async function readChanges(signal: AbortSignal, onEvent: () => void): Promise<void> {
    const from = Object.entries(copy.revisions()).map(([id, revision]) => `${id}.${revision}`)
    for await (const event of link.changes(from.join(','), signal)) {
      onEvent()
      if (event.kind === 'change') await copy.take(event.change)
      else await copy.load(event.organization)
    }
  }

  return {
    async follow() {
      for (let failures = 0; !ended.aborted; failures++) {
        current = new AbortController()
        const signal = AbortSignal.any([current.signal, ended])
        await readChanges(signal, () => (failures = 0)).catch(fault => {
          if (!signal.aborted) onFault(fault)
        })
        if (current.signal.aborted) failures = -1
        else await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 2_000, ended)
      }
    },
    restart: () => current.abort(),
  }
}
