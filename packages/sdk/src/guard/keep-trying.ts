import { AppError } from '../core/index.ts'

/** Something that is being opened, for as long as it takes. */
export interface Opening<T> {
  /** Rejects with what trying again does not mend, or with the last failure once stopped. */
  opened: Promise<T>
  stop(): void
}

/** Opens an enforcement point again and again while the authority is only out of reach. */
export function keepTrying<T>(
  open: () => Promise<T>,
  log: (message: string, fault?: unknown) => void = () => undefined,
): Opening<T> {
  let isStopped = false
  let wake = () => {}
  async function attempt(): Promise<T> {
    for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      try {
        return await open()
      } catch (fault) {
        const isWorthIt = fault instanceof AppError && fault.code === 'authority.unreachable'
        if (!isWorthIt || isStopped) throw fault
        log('The authority cannot be reached yet.', fault)
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, pauseMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        if (isStopped) throw fault
      }
    }
  }
  const opened = attempt()
  opened.catch(() => undefined)
  return {
    opened,
    stop() {
      isStopped = true
      wake()
    },
  }
}
