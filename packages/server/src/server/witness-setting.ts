import { parseVkey } from '@valetkey/sdk/evidence'

/** A witness as it is written in the configuration: its key, a space, its address. */
export function parseWitness(text: string): { vkey: string; url: string } | undefined {
  const [, vkey, url] = /^(\S+)\s+(https?:\/\/\S+)$/.exec(text.trim()) ?? []
  if (vkey === undefined || url === undefined) return undefined
  try {
    return parseVkey(vkey).kind === 'cosignature' ? { vkey, url } : undefined
  } catch {
    return undefined
  }
}
