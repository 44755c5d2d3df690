/** Hides how mail leaves the authority: over SMTP, or into an outbox of this machine. */
export { type Mail, type Mailer, openMailer } from './mailer.ts'
export { createOutbox, type Outbox } from './outbox.ts'
export { isMailUrl, smtpDelivery } from './smtp.ts'
