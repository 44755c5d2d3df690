/** The bytes of a master key as it is handed over, base64 or base64url; undefined where it is neither, or too short. */
export function parseMasterKey(text: string): Uint8Array | undefined {
  const digits = text.replace(/=+$/, '')
  if (!/^[\w+/-]+$/.test(digits)) return undefined
  const key = Buffer.from(digits, 'base64')
  return key.length >= 32 ? key : undefined
}

/** Whether a key was chosen rather than drawn: of 32 random bytes about 30 differ, and they do not make words. */
export function isWeak(key: Uint8Array): boolean {
  const isText = key.every(byte => byte >= 0x20 && byte < 0x7f)
  return isText || new Set(key).size < 16
}
