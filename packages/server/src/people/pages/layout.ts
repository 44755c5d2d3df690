import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import { PASSKEY_INTEGRITY } from './passkey.ts'
import { STRINGS } from './strings.ts'

/** A page: what is on it, and how it is answered. */
export interface Page {
  title: string
  body: Html
  /** The language that it is in; English where nothing is said. */
  words?: Words
  status?: number
  /** Origins (or schemes) besides ours to which a form on it may lead in the end. */
  leadsTo?: string | undefined
  cookies?: readonly string[]
  /** Where it goes on by itself. */
  goesTo?: string | undefined
  /** Path of the one script that runs on it: the one for passkeys. */
  script?: string | undefined
  /** Under which whoever runs this finds why it says no. */
  reference?: string | undefined
}

/** As it is sent: without what only we read. */
const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8')
  .replace(/\/\*.*?\*\//gs, '')
  .replace(/\s+/g, ' ')
  .replace(/ ?([{};,>]|: ) ?/g, match => match.trim())
  .replaceAll(';}', '}')
  .replace(/\b0\./g, '.')
  .trim()

/** A key, beside the name of the product. */
const MARK = `<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><circle cx="8" cy="16" r="4"/><path d="M11 13 20 4m-4 4 3 3"/></svg>`

/** A page as a response: no script but the one for passkeys, styles by nonce, nothing kept, nobody may frame it. */
export function toResponse(page: Page): Response {
  const {
    title,
    body,
    words = STRINGS,
    status = 200,
    leadsTo,
    cookies = [],
    goesTo,
    script,
    reference,
  } = page
  const nonce = randomBytes(16).toString('base64')
  const { language, direction, product } = words
  const text = html`<!doctype html>
<html lang="${language}" dir="${direction}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>${title} · ${product}</title><style nonce="${nonce}">${{ html: STYLE }}</style>${script !== undefined && html`<script nonce="${nonce}" src="${script}" integrity="${PASSKEY_INTEGRITY}" defer></script>`}</head>
<body><header>${{ html: MARK }}${product}</header><main>${body}</main></body></html>`.html
  const headers = new Headers({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-language': language,
    'content-security-policy': policyOf(nonce, leadsTo, script !== undefined),
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin-allow-popups',
  })
  if (reference !== undefined) headers.set('x-request-id', reference)
  if (goesTo !== undefined) headers.set('refresh', `0; url=${goesTo}`)
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(text, { status, headers })
}

/** Browsers hold `form-action` against every redirect that a form leads to, the one back to the client too. */
function policyOf(nonce: string, leadsTo: string | undefined, hasScript: boolean): string {
  const forms = leadsTo === undefined ? "'self'" : `'self' ${leadsTo}`
  return `default-src 'none'; style-src 'nonce-${nonce}';${hasScript ? ` script-src 'nonce-${nonce}';` : ''} form-action ${forms}; frame-ancestors 'none'; base-uri 'none'`
}

export function redirectTo(location: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ location, 'cache-control': 'no-store' })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}
