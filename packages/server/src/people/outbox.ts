import type { Hono } from 'hono'
import type { Outbox } from '../mail/index.ts'
import { html } from './pages/html.ts'
import { toResponse } from './pages/layout.ts'
import { STRINGS } from './pages/strings.ts'
import type { Env } from './sign-in/parts.ts'

const HERE = /^(localhost|127(\.\d+){3}|\[::1\])$/
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/

/**
 * Shows on a desk the mails that nobody receives. They sign people in, so they are for this machine alone: for who comes
 * from it, and under a name of it, whatever page another site has put into the browser.
 */
export function addOutbox(app: Hono<Env>, outbox: Outbox): void {
  app.get('/outbox', c => {
    const isHere = LOOPBACK.test(c.env.incoming.socket.remoteAddress ?? '')
    if (!isHere || !HERE.test(new URL(c.req.url).hostname)) return c.notFound()
    const { title, empty } = STRINGS.outbox
    const mails = outbox.list().map(({ to, subject, text, at }) => {
      const [before = '', url, after = ''] = text.split(/^(https?:\S+)$/m)
      return html`<h2>${subject}</h2><p class="dim">${to}, ${new Date(at).toISOString()}</p>
<p class="mail">${before.trim()}</p>${url !== undefined && html`<p><a href="${url}">${url}</a></p>`}<p class="mail">${after.trim()}</p>`
    })
    const body = html`<h1>${title}</h1>${mails.length === 0 ? html`<p>${empty}</p>` : mails}`
    return toResponse({ title, body })
  })
}
