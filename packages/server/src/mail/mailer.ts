import { AppError } from '@valetkey/sdk/core'

/** One mail, in plain text: nothing in it loads, and every address stands there as it is. */
export interface Mail {
  to: string
  subject: string
  text: string
}

/** Hands a mail over; resolves once somebody else has taken it. */
export type Deliver = (mail: Mail) => Promise<void>

export interface Mailer {
  /** Sends a mail, and resolves once it was taken. Throws `mail.failed`. */
  send(mail: Mail): Promise<void>
  /** Sends a mail that nobody waits for, so that no answer tells by its time whether there was one. */
  post(mail: Mail): void
  /** Resolves when what was posted has left, or has failed. */
  close(): Promise<void>
}

/** What may wait to leave, for a mail server that is slow: more is dropped, and said. */
const MOST_POSTED = 200

export function openMailer(deliver: Deliver, onFault: (fault: unknown) => void): Mailer {
  const posted = new Set<Promise<void>>()
  return {
    async send(mail) {
      try {
        await deliver(mail)
      } catch (cause) {
        throw new AppError('mail.failed', `The mail to ${mail.to} was not taken by the mail server.`, {
          cause,
        })
      }
    },
    post(mail) {
      if (posted.size >= MOST_POSTED) return onFault(new Error('too many mails wait for the mail server'))
      // After the answer under way, which must not wait for it.
      const leaving = new Promise(resolve => setImmediate(resolve)).then(() => deliver(mail)).catch(onFault)
      posted.add(leaving)
      void leaving.then(() => posted.delete(leaving))
    },
    async close() {
      await Promise.all(posted)
    },
  }
}
