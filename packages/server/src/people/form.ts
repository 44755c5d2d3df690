import type { SecretBox } from '../store/index.ts'

/** The fields of a form, each name with all its values. */
export interface Form {
  /** The one value of a field; empty where it is not there or comes twice. */
  one(name: string): string
  all(name: string): string[]
}

const MAX_FORM_BYTES = 32 * 1024
const MAX_FIELDS = 500
const FORM_LIFE_MS = 60 * 60_000

/** Reads a posted form within limits; undefined for everything that a form of ours would not send. */
export async function readForm(
  request: Request,
  maxBytes: number = MAX_FORM_BYTES,
): Promise<Form | undefined> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return undefined
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  const fields = new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
  if ([...fields].length > MAX_FIELDS) return undefined
  return {
    one(name) {
      const values = fields.getAll(name)
      return values.length === 1 ? (values[0] ?? '') : ''
    },
    all: name => fields.getAll(name),
  }
}

/** Marks a form as made here, for one purpose and one browser; nothing is kept of it, so that a GET changes nothing. */
export function sealForm(secrets: SecretBox, purpose: string, now: number): string {
  return secrets.seal(String(now + FORM_LIFE_MS), `form:${purpose}`)
}

export function isOwnForm(secrets: SecretBox, purpose: string, form: Form, now: number): boolean {
  try {
    return Number(secrets.open(form.one('form'), `form:${purpose}`)) > now
  } catch {
    return false
  }
}

/** Whether a browser says that another site sends this. What says nothing is no browser of today, and no help to an attacker. */
export function isFromElsewhere(request: Request, origin: string): boolean {
  const site = request.headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none') return true
  const from = request.headers.get('origin')
  return from !== null && from !== 'null' && from !== origin
}
