import type { Json, JsonObject } from '@valetkey/sdk/core'

/** What ends a line, moves a cursor, hides, or turns the reading direction around, in one viewer or another. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** A text that stays on its line: what would break one becomes a space, and what is too long is cut. */
export function plain(text: string, longest: number): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 1)}…` : text
  return cut.toWellFormed().replaceAll(UNPRINTABLE, ' ')
}

/** JSON on one line for every reader: characters that some of them take for the end of a line are written as escapes. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(UNPRINTABLE, character =>
    // Of two units where it lies beyond the first 65,536.
    character
      .split('')
      .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

const LONGEST_CUT_TEXT = 1000
/** What is kept back for the ends of what is open. */
const RESERVE_BYTES = 96

/**
 * A value whose JSON has at most so many bytes. What comes first is kept, so formats put what callers wrote at their end;
 * texts are cut, and members and items that find no more room are left out. The whole record stays in the evidence, at
 * the place that every format names.
 */
export function fit(value: JsonObject, mostBytes: number): JsonObject {
  if (bytesOf(value) <= mostBytes) return value
  return cut(value, { left: mostBytes - RESERVE_BYTES }) as JsonObject
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(jsonLine(value))
}

function cut(value: Json, room: { left: number }): Json {
  if (value === null || typeof value !== 'object') {
    const kept = typeof value === 'string' ? cutText(value, room.left) : value
    room.left -= bytesOf(kept) + 1
    return kept
  }
  // Its brackets.
  room.left -= 2
  if (Array.isArray(value)) {
    const items: Json[] = []
    for (const item of value) {
      if (room.left < RESERVE_BYTES) break
      items.push(cut(item, room))
    }
    return items
  }
  const members: JsonObject = {}
  for (const [key, member] of Object.entries(value)) {
    const name = cutText(key, room.left)
    const cost = bytesOf(name) + 1
    if (room.left - cost < RESERVE_BYTES) break
    room.left -= cost
    members[name] = cut(member, room)
  }
  return members
}

function cutText(text: string, room: number): string {
  const most = Math.max(0, Math.min(LONGEST_CUT_TEXT, room - 16))
  let kept = text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text
  // A character can take six bytes.
  while (bytesOf(kept) > Math.max(room, 16))
    kept = `${kept.slice(0, Math.floor(kept.length / 2)).toWellFormed()}…`
  return kept
}
