/** What is larger is made for once: a burst must not hold its memory for ever after. */
const MOST_KEPT_BYTES = 8 << 20

/**
 * Memory that is used again and again, for what is done with before the next is taken. Megabytes made anew each time
 * outside of the engine's own memory have it collect all that it holds, over and over.
 */
export function createRoom(): (bytes: number) => Buffer {
  let room = Buffer.alloc(0)
  return bytes => {
    if (bytes > MOST_KEPT_BYTES) return Buffer.alloc(bytes)
    if (room.length < bytes) room = Buffer.alloc(Math.max(bytes, 2 * room.length))
    return room.subarray(0, bytes)
  }
}
