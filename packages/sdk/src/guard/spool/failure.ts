import { AppError } from '../../core/index.ts'

const WHAT_TO_DO: Record<string, string> = {
  ENOSPC: 'the disk of the spool is full. Free space on it.',
  EDQUOT: 'the disk quota of this user is used up. Raise it or free space.',
  EFBIG:
    'a file reached the size limit of this process. Raise the limit (ulimit -f) or lower the segment size.',
  EIO: 'the disk reported an error. Check the disk.',
  EROFS: 'the disk of the spool is mounted read-only. Check the disk.',
  EMFILE: 'this process has no file descriptor left. Raise its limit (ulimit -n).',
  EACCES: 'this process may not write to the spool directory. Correct its owner and mode.',
}

/** Says which fault of the disk kept records from being durable, and what an operator does about it. */
export function diskFailure(cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const fault =
    WHAT_TO_DO[code] ?? `the spool could not be written (${code || 'unknown fault'}). Check its directory.`
  return unavailable(`The audit record is not durable: ${fault}`, cause)
}

export function unavailable(sentence: string, cause?: unknown): AppError {
  return new AppError('audit.unavailable', `${sentence} Calls are refused until then.`, { cause })
}
