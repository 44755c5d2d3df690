import { AppError } from '../core/index.ts'

/** What a log vouches for at one moment (C2SP tlog-checkpoint): so many entries, and the root of their tree. */
export interface Checkpoint {
  /** Names the log: an address without a scheme. */
  origin: string
  size: number
  root: Buffer
}

/** The text that is signed. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** Reads the text of a checkpoint; lines after the third are extensions, and passed over. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = ''] = text.split('\n')
  const bytes = Buffer.from(root, 'base64')
  const isWhole =
    origin !== '' &&
    /^(0|[1-9]\d{0,15})$/.test(size) &&
    bytes.length === 32 &&
    bytes.toString('base64') === root
  if (!isWhole || !Number.isSafeInteger(Number(size)))
    throw new AppError('evidence.invalid', 'This is no checkpoint of a log.')
  return { origin, size: Number(size), root: bytes }
}
