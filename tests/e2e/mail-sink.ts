import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** A mail as it arrived. */
export interface ReceivedMail {
  from: string
  to: string[]
  subject: string
  text: string
}

export type MailSink = Awaited<ReturnType<typeof openMailSink>>

/** A mail server that takes everything and delivers nothing. */
export async function openMailSink() {
  const mails: ReceivedMail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = []
      stream.on('data', chunk => chunks.push(chunk))
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8')
        const [head = '', ...body] = raw.split('\r\n\r\n')
        const isQuoted = /^content-transfer-encoding: quoted-printable/im.test(head)
        const text = body.join('\r\n\r\n').replaceAll('\r\n', '\n')
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
        const subject = /^subject: (.*)$/im.exec(head)?.[1] ?? ''
        mails.push({
          from,
          to: envelope.rcptTo.map(({ address }) => address),
          subject,
          text: isQuoted ? unquote(text) : text,
        })
        done()
      })
    },
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    close: () => new Promise<void>(resolve => server.close(() => resolve())),
  }
}

/** RFC 2045 §6.7. */
function unquote(text: string): string {
  return text
    .replaceAll('=\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
