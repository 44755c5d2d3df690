import { EXIT, type Io } from '../terminal/index.ts'

/** Resolves when the process is asked to stop (SIGINT, SIGTERM). A second request ends it at once. */
export function untilStopped(io: Pick<Io, 'interrupted'>): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.on('SIGTERM', endNow)
      process.on('SIGINT', endNow)
      resolve()
    }
    if (io.interrupted.aborted) return stop()
    io.interrupted.addEventListener('abort', stop, { once: true })
    process.once('SIGTERM', stop)
  })
}

function endNow(): never {
  process.exit(EXIT.error)
}
