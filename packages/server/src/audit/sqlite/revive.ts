/** Buffers lose what makes them more than bytes on their way between threads. */
export function revive(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revive(value[i])
    return value
  }
  if (value === null || typeof value !== 'object') return value
  const members = value as Record<string, unknown>
  for (const key in members) members[key] = revive(members[key])
  return members
}
