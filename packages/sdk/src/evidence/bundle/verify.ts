import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { type NoteVerifier, openNote } from '../note.ts'
import type { Trust } from '../trust.ts'
import { conclude } from './conclude.ts'
import { BUNDLE_HEAD, endText } from './format.ts'
import { readLine } from './lines.ts'
import { newReading, note, type Reading } from './reading.ts'
import type { BundleReport } from './report.ts'

/** What a verifier goes by; nothing that comes with the evidence itself is trusted. */
export interface VerifyTerms {
  /** Keys of the logs. */
  trust: Trust
  /** Keys of witnesses, and how many of them must have cosigned the newest checkpoint. */
  witnesses?: readonly NoteVerifier[]
  quorum?: number
}

/** Takes a bundle in pieces of any size, and says at the end what it found. */
export interface BundleVerifier {
  push(bytes: Uint8Array): void
  end(): BundleReport
}

/**
 * Verifies an evidence bundle with public keys alone: every record against the tree, the tree against what was signed,
 * what enforcement points sent against their own signatures and numbers.
 */
export function createBundleVerifier(terms: VerifyTerms): BundleVerifier {
  const reading = newReading(terms.trust)
  const digest = createHash('sha256')
  let rest: Buffer = Buffer.alloc(0)
  let isFirst = true

  /** Takes whole lines. */
  function take(text: Buffer): void {
    if (reading.isEnded) return void note(reading, 'malformed', null, BEHIND_END)
    if (!isUtf8(text)) note(reading, 'malformed', null, 'The bundle is no UTF-8 text.')
    for (let from = 0; from < text.length; ) {
      const to = text.indexOf(NEWLINE, from) + 1
      const line = text.toString('utf8', from, to - 1)
      if (line.startsWith('end\t')) {
        readEnd(reading, line, digest.update(text.subarray(0, from)).digest())
        if (to < text.length) note(reading, 'malformed', null, BEHIND_END)
        return
      }
      if (!isFirst) readLine(reading, line, terms)
      else if (line !== BUNDLE_HEAD) note(reading, 'malformed', null, 'This is no evidence bundle.')
      isFirst = false
      from = to
    }
    digest.update(text)
  }

  return {
    push(bytes) {
      const all = rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([rest, bytes])
      const end = all.lastIndexOf(NEWLINE) + 1
      if (end > 0) take(all.subarray(0, end))
      rest = all.subarray(end)
    },
    end() {
      if (rest.length > 0 || !reading.isEnded)
        note(reading, 'cut', null, 'The bundle has no end: it was cut off, or its last line was changed.')
      return conclude(reading, terms)
    },
  }
}

const NEWLINE = 10
const BEHIND_END = 'Something was added behind the end of the bundle.'

function readEnd(reading: Reading, line: string, digest: Buffer): void {
  reading.isEnded = true
  try {
    const { text } = openNote(String(JSON.parse(line.slice(4))), reading.trust(reading.about?.origin ?? ''))
    if (text === endText(digest, reading.entries)) return
    note(
      reading,
      'altered',
      null,
      'The bundle is not as it was signed: something in it was changed, dropped or added.',
    )
  } catch {
    note(reading, 'unsigned', null, 'The bundle is signed by no key that is trusted.')
  }
}
