import type { Deliver, Mail } from './mailer.ts'

/** A mail that stayed here. */
export interface KeptMail extends Mail {
  /** Milliseconds since 1970. */
  at: number
}

/** Where mails go on a machine for trying things out: nobody receives them, whoever started it reads them. */
export interface Outbox {
  deliver: Deliver
  /** The newest first. */
  list(): readonly KeptMail[]
  onMail(listener: (mail: Mail) => void): void
}

const MOST_KEPT = 50

export function createOutbox(now: () => number): Outbox {
  const kept: KeptMail[] = []
  const listeners: ((mail: Mail) => void)[] = []
  return {
    async deliver(mail) {
      kept.unshift({ ...mail, at: now() })
      kept.length = Math.min(kept.length, MOST_KEPT)
      for (const listener of listeners) listener(mail)
    },
    list: () => kept,
    onMail: listener => void listeners.push(listener),
  }
}
