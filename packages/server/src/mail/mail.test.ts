import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { createOutbox, isMailUrl, type Mail, openMailer, smtpDelivery } from './index.ts'

const MAIL: Mail = { to: 'maya@northwind.test', subject: 'Hello', text: 'A mail.' }

test.each([
  ['smtp://mail.example.com', true],
  ['smtp://user:p%40ss@mail.example.com:587', true],
  ['smtps://mail.example.com:465/', true],
  ['https://mail.example.com', false],
  ['smtp://', false],
  ['smtp://mail.example.com/?tls=no', false],
  ['mail.example.com', false],
])('%s names a mail server: %s', (url, is) => {
  expect(isMailUrl(url)).toBe(is)
})

test('a mail that nobody takes is said, or told to who runs the authority', async () => {
  const closed = createServer()
  await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as { port: number }
  await new Promise(resolve => closed.close(resolve))
  const faults: unknown[] = []
  const deliver = smtpDelivery({ url: `smtp://127.0.0.1:${port}`, from: 'auth@northwind.test' })
  const mailer = openMailer(deliver, fault => faults.push(fault))
  await expect(mailer.send(MAIL)).rejects.toMatchObject({ code: 'mail.failed', status: 502 })
  mailer.post(MAIL)
  await mailer.close()
  expect(faults).toHaveLength(1)
})

test('beyond this machine nothing is sent in clear', async () => {
  // A mail server that offers no encryption, under a name that is not this machine's.
  const commands: string[] = []
  const server = createServer(socket => {
    socket.write('220 mail.test ESMTP\r\n')
    socket.on('data', data => {
      commands.push(String(data))
      socket.write(/^EHLO/i.test(String(data)) ? '250 mail.test\r\n' : '502 no\r\n')
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as { port: number }
  const deliver = smtpDelivery({ url: `smtp://u:secret@0.0.0.0:${port}`, from: 'auth@northwind.test' })
  await expect(deliver(MAIL)).rejects.toThrow()
  expect(commands.join('')).not.toMatch(/AUTH|MAIL FROM|secret/i)
  server.close()
})

test('at most so many mails wait; the outbox keeps the last ones', async () => {
  const faults: unknown[] = []
  const { promise: waiting, resolve: release } = Promise.withResolvers<void>()
  const slow = openMailer(
    () => waiting,
    fault => faults.push(fault),
  )
  for (let n = 0; n < 205; n++) slow.post(MAIL)
  expect(faults).toHaveLength(5)
  release()
  await slow.close()
  const outbox = createOutbox(() => 0)
  for (let n = 0; n < 60; n++) await outbox.deliver({ ...MAIL, subject: String(n) })
  expect(outbox.list()).toHaveLength(50)
  expect(outbox.list()[0]?.subject).toBe('59')
})
