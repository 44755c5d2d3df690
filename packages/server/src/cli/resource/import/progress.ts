import type { Io } from '../../terminal/index.ts'

const EVERY_MS = 100
const CLEAR = '\r\u001b[K'

/** A line that says how far it has come; nothing where nobody looks. */
export interface Progress {
  update(done: { rows: number; bytes: number }): void
  /** Takes the line away, so that another one can be printed. */
  clear(): void
}

/** `before` is how many rows an earlier run had done: they count, but not towards the rate. */
export function createProgress(
  io: Io,
  { label, size, before }: { label: string; size: number; before: number },
): Progress {
  const started = io.now()
  const { err } = io
  let shownAt = Number.NEGATIVE_INFINITY
  let isShown = false
  return {
    update({ rows, bytes }) {
      const now = io.now()
      if (!err.isTerminal || now - shownAt < EVERY_MS) return
      shownAt = now
      isShown = true
      const seconds = Math.max(0.001, (now - started) / 1000)
      const left = bytes > 0 ? (seconds * Math.max(0, size - bytes)) / bytes : 0
      const rate = `${count(Math.round((rows - before) / seconds))} rows/s`
      const part = `${Math.min(100, Math.floor((100 * bytes) / Math.max(1, size)))} %`
      err.write(`${CLEAR}${label}  ${count(rows)} rows  ${rate}  ${part}  ${Math.ceil(left)} s left`)
    },
    clear() {
      if (isShown) err.write(CLEAR)
      isShown = false
    },
  }
}

/** `41200` as `41,200`. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}
