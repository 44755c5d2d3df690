import { AppError } from '@valetkey/sdk/core'
import type { Logger } from 'pino'
import { createOutbox, type Mailer, type Outbox, openMailer, smtpDelivery } from '../mail/index.ts'
import { envName } from './config.ts'
import type { Config } from './settings.ts'

/** How this node sends mail; on a machine for trying things out, where it would have gone. */
export interface MailRoom {
  mailer: Mailer | undefined
  outbox: Outbox | undefined
}

/** A mail server where one is named; else an outbox on a desk, and nothing in production. */
export function openMail(
  { mailUrl, mailFrom }: Config,
  { isDev, now, log }: { isDev: boolean; now(): number; log: Logger },
): MailRoom {
  const onFault = (fault: unknown) => log.error({ err: fault }, 'a mail could not be sent')
  if (mailUrl !== undefined && mailFrom !== undefined)
    return { mailer: openMailer(smtpDelivery({ url: mailUrl, from: mailFrom }), onFault), outbox: undefined }
  if (mailUrl !== undefined || mailFrom !== undefined)
    throw new AppError(
      'config.invalid',
      `${envName('mailUrl')} and ${envName('mailFrom')} belong together. Set the other one too.`,
      { path: mailUrl === undefined ? 'mailUrl' : 'mailFrom' },
    )
  const outbox = isDev ? createOutbox(now) : undefined
  return { mailer: outbox && openMailer(outbox.deliver, onFault), outbox }
}
