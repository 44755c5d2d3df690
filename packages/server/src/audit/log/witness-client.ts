import { AppError } from '@valetkey/sdk/core'
import { type NoteVerifier, openNote, parseVkey } from '@valetkey/sdk/evidence'

/** A witness that cosigns our checkpoints: it remembers what it has seen, and refuses a history that does not go on from there. */
export interface WitnessClient {
  readonly name: string
  /** The witness's signature lines under a checkpoint. Throws `audit.rolled_back` where it has seen a larger tree. */
  cosign(checkpoint: {
    origin: string
    size: number
    note: string
    /** How many entries it is known to have cosigned; 0 where nothing is known. */
    known: number
    /** Proves that the tree began as one of that size. */
    prove(from: number): Promise<Buffer[]>
  }): Promise<string>
}

export interface WitnessOptions {
  vkey: string
  url: string
  /** Told where it remembers less than it has cosigned: what it cosigns from then on may be a second history. */
  onForgotten(error: AppError): void
  fetch?: typeof fetch
}

const TIMEOUT_MS = 5_000

/** Speaks `POST /add-checkpoint` (C2SP tlog-witness). */
export function createWitnessClient(options: WitnessOptions): WitnessClient {
  const { vkey, url, onForgotten, fetch: send = fetch } = options

  const verifier = parseVkey(vkey)
  if (verifier.kind !== 'cosignature')
    throw new AppError('config.invalid', `The key of the witness ${verifier.name} is none for cosignatures.`)
  /** By log, what it cosigned last, as far as this process knows. */
  const seen = new Map<string, number>()

  async function post(body: string): Promise<{ status: number; text: string }> {
    const response = await send(`${url.replace(/\/$/, '')}/add-checkpoint`, {
      ...{ method: 'POST', body, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) },
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    })
    return { status: response.status, text: await response.text() }
  }

  return {
    name: verifier.name,
    async cosign({ origin, size, note, known, prove }) {
      for (let attempt = 0; attempt < 3; attempt++) {
        const old = seen.get(origin) ?? known
        const proof = old === 0 ? [] : await prove(old)
        const lines = proof.map(hash => `${hash.toString('base64')}\n`).join('')
        const { status, text } = await post(`old ${old}\n${lines}\n${note}`)
        if (status === 200) {
          seen.set(origin, size)
          return verified(verifier, note, text)
        }
        // It has seen another size than this process knew: the proof starts from there.
        const theirs = status === 409 ? Number(/^(\d{1,16})\n?$/.exec(text)?.[1] ?? Number.NaN) : Number.NaN
        if (Number.isNaN(theirs)) throw refused(verifier.name, `${status} ${text.slice(0, 200).trim()}`)
        if (theirs > size)
          throw new AppError(
            'audit.rolled_back',
            `The witness ${verifier.name} has cosigned ${theirs} entries of ${origin}, and there are ${size}: the evidence was restored from an older copy, or cut.`,
          )
        if (theirs < old) onForgotten(forgotten(verifier.name, { origin, old, theirs }))
        seen.set(origin, theirs)
      }
      throw refused(verifier.name, 'it sees another size each time')
    },
  }
}

/** Only a line that holds is put under our checkpoint. */
function verified(verifier: NoteVerifier, note: string, lines: string): string {
  const cosigned = note + lines
  openNote(cosigned, [verifier])
  return lines
}

function forgotten(name: string, { origin, old, theirs }: { origin: string; old: number; theirs: number }) {
  return new AppError(
    'audit.unavailable',
    `The witness ${name} has cosigned ${old} entries of ${origin} and remembers ${theirs}: its memory was restored from an older copy, or is another one. Ask whoever runs it why.`,
  )
}

function refused(name: string, why: string): AppError {
  return new AppError('audit.unavailable', `The witness ${name} did not cosign: ${why}.`)
}
