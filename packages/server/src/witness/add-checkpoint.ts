import { AppError } from '@valetkey/sdk/core'
import {
  isConsistent,
  type NoteSigner,
  openNote,
  parseCheckpoint,
  partNote,
  signatureLine,
  type Trust,
} from '@valetkey/sdk/evidence'
import type { WitnessState } from './state.ts'

export interface WitnessAnswer {
  status: 200 | 400 | 403 | 404 | 409 | 422
  body: string
  /** Other than plain text. */
  type?: string
}

const MOST_PROOF_LINES = 63

/**
 * `add-checkpoint` (C2SP tlog-witness): cosigns a checkpoint whose tree provably goes on from the one that was cosigned
 * last, and from no other. What it cosigns it remembers first.
 */
export function addCheckpoint(
  request: string,
  witness: { state: WitnessState; signer: NoteSigner; trust: Trust; nowSeconds(): number },
): WitnessAnswer {
  const { state, signer, trust } = witness
  const parsed = parseRequest(request)
  if (!parsed) return { status: 400, body: 'The request is malformed.\n' }
  const { old, proof, note, checkpoint } = parsed
  const known = trust(checkpoint.origin)
  if (known.length === 0) return { status: 404, body: 'This log is not known here.\n' }
  try {
    openNote(note, known)
  } catch {
    return { status: 403, body: 'No signature of the log holds.\n' }
  }
  if (old > checkpoint.size) return { status: 400, body: 'The old size is beyond the new one.\n' }
  const last = state.get(checkpoint.origin)
  if (old !== (last?.size ?? 0))
    return { status: 409, body: `${last?.size ?? 0}\n`, type: 'text/x.tlog.size' }
  const from = { size: old, root: last ? Buffer.from(last.root, 'base64') : Buffer.alloc(0) }
  if (checkpoint.size === 0 || !isConsistent(from, checkpoint, proof))
    return { status: 422, body: 'The proof does not lead from the old tree to the new one.\n' }
  const { origin, size, root } = checkpoint
  state.put({ origin, size, root: root.toString('base64'), note })
  return { status: 200, body: signatureLine(signer, signer.sign(partNote(note).text, witness.nowSeconds())) }
}

function parseRequest(request: string) {
  try {
    const end = request.indexOf('\n\n')
    const [head = '', ...lines] = request.slice(0, end).split('\n')
    const [, old] = /^old (0|[1-9]\d{0,15})$/.exec(head) ?? []
    if (end === -1 || old === undefined || lines.length > MOST_PROOF_LINES) return undefined
    const proof = lines.map(line => {
      const hash = Buffer.from(line, 'base64')
      if (hash.length !== 32 || hash.toString('base64') !== line)
        throw new AppError('request.invalid', 'no hash')
      return hash
    })
    const note = request.slice(end + 2)
    return { old: Number(old), proof, note, checkpoint: parseCheckpoint(partNote(note).text) }
  } catch {
    return undefined
  }
}
