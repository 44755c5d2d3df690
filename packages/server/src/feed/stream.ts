import type { Follower } from './follower.ts'
import { BEAT, changeFrame, resetFrame } from './frame.ts'
import { formatPosition, type Position } from './position.ts'

/** One subscriber's stream of events. */
export interface Stream {
  readonly point: string
  readonly sessionHash: string
  readonly body: ReadableStream<Uint8Array>
  /** Sends a sign of life, or ends the stream of a subscriber that has not read for too long. */
  beat(): void
  /** Ends the stream; the point then connects anew. */
  close(): void
}

export interface StreamOptions {
  follower: Follower
  point: string
  sessionHash: string
  server: string
  position: Position
  /** How long a subscriber may leave its buffer full. */
  stallMs: number
  onEnd(stream: Stream): void
  onFault(fault: unknown): void
}

const BUFFER_BYTES = 64 * 1024

/**
 * Sends every change after the position, in order of revisions and without a gap: it asks for what follows the last
 * revision it sent, so that a late or doubled wake-up does no harm. A subscriber that reads slowly holds no more
 * memory than its buffer; one that does not read is dropped.
 */
export function openStream(options: StreamOptions): Stream {
  const { follower, server, position, point, sessionHash } = options
  const dirty = new Set(position.keys())
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let fullSince: number | undefined
  let pumping = false
  let ended = false

  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given
      },
      pull() {
        fullSince = undefined
        void pump()
      },
      cancel: () => end(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES }),
  )

  async function pump(): Promise<void> {
    if (pumping || ended) return
    pumping = true
    try {
      for (const organization of dirty) {
        while (!ended && (await sendNext(organization)));
        if (ended || isFull()) return
      }
    } catch (fault) {
      options.onFault(fault)
      close() // The point connects anew and finds out that way whether the database answers again.
    } finally {
      pumping = false
    }
  }

  /** Sends what follows in one organization; false once there is nothing more, or no room. */
  async function sendNext(organization: string): Promise<boolean> {
    if (isFull()) return false
    const revision = position.get(organization) ?? 0
    dirty.delete(organization)
    const next = follower.after(organization, revision)
    const changes = next instanceof Promise ? await next : next
    if (ended) return false
    if (changes === 'gone') {
      position.set(organization, await follower.head(organization))
      send(resetFrame(organization, formatPosition(position)))
      return true
    }
    for (const change of changes) {
      if (isFull()) break
      position.set(organization, change.revision)
      send(changeFrame(server, change, formatPosition(position)))
    }
    if (changes.length > 0) dirty.add(organization)
    return changes.length > 0
  }

  function isFull(): boolean {
    return (controller?.desiredSize ?? 0) <= 0
  }

  function send(frame: Uint8Array): void {
    if (ended) return
    controller?.enqueue(frame)
    if (isFull()) fullSince ??= performance.now()
  }

  function end(): void {
    if (ended) return
    ended = true
    unfollow()
    options.onEnd(stream)
  }

  function close(): void {
    if (ended) return
    end()
    controller?.close()
  }

  const unfollow = follower.follow(position.keys(), organization => {
    dirty.add(organization)
    void pump()
  })
  const stream: Stream = {
    point,
    sessionHash,
    body,
    beat() {
      if (fullSince === undefined) send(BEAT)
      else if (performance.now() - fullSince > options.stallMs) {
        end()
        controller?.error(new Error('the subscriber does not read'))
      }
    },
    close,
  }
  void pump()
  return stream
}
