import type { Transporter } from 'nodemailer'
import type { Deliver } from './mailer.ts'

const TIMEOUT_MS = 15_000

/** A mail server as `smtp://USER:PASSWORD@HOST:PORT` (encrypted by STARTTLS) or `smtps://…` (from the first byte). */
export function isMailUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^smtps?:$/.test(url.protocol)) return false
  return url.hostname !== '' && url.search === '' && url.hash === '' && /^\/?$/.test(url.pathname)
}

/**
 * Sends over SMTP. Never in clear, except to this very machine: links that sign people in are in it. nodemailer is loaded
 * with the first mail.
 */
export function smtpDelivery({ url, from }: { url: string; from: string }): Deliver {
  const { protocol, hostname, port, username, password } = new URL(url)
  const isImplicit = protocol === 'smtps:'
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  let opened: Promise<Transporter> | undefined
  const open = async () =>
    (await import('nodemailer')).createTransport({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (isImplicit ? 465 : 587) : Number(port),
      secure: isImplicit,
      requireTLS: !isImplicit && !isHere,
      ignoreTLS: !isImplicit && isHere,
      ...(username !== '' && {
        auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
      }),
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
      // A mail is text: it names no file and no address to fetch.
      disableFileAccess: true,
      disableUrlAccess: true,
    })
  return async ({ to, subject, text }) => {
    opened ??= open()
    await (await opened).sendMail({ from, to: { name: '', address: to }, subject, text })
  }
}
