import { randomBytes } from 'node:crypto'
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
}

const STYLE = `:root{color-scheme:light dark;--ink:light-dark(#1a1c20,#eceef2);--dim:light-dark(#565b66,#a4aab6);--ground:light-dark(#f6f7f9,#16181c);--card:light-dark(#fff,#1f2228);--line:light-dark(#8b919d,#747b88);--act:light-dark(#1d4fd7,#9db8ff);--warn:light-dark(#9a3412,#fdba74)}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:0 auto;padding:1.25rem 1rem 2rem}h1{font-size:1.4rem;line-height:1.25;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .25rem}h3{font-size:1rem;margin:.75rem 0 .25rem}ul,ol{margin:.25rem 0 .75rem;padding-inline-start:1.3rem;overflow-wrap:anywhere}section{border:1px solid var(--line);border-radius:.5rem;margin:1rem 0;padding:.75rem;background:var(--card)}
p{margin:.5rem 0;overflow-wrap:anywhere}small,.dim{color:var(--dim)}.warn{color:var(--warn)}
fieldset{border:1px solid var(--line);border-radius:.5rem;margin:1rem 0;padding:.25rem .75rem .5rem;background:var(--card);min-width:0}legend{font-weight:600;padding:0 .25rem}
label{display:flex;gap:.6rem;align-items:flex-start;min-height:44px;padding:.55rem 0;overflow-wrap:anywhere}label.field{display:block;min-height:0}
input[type=checkbox],input[type=radio]{width:1.25rem;height:1.25rem;flex:none;margin:.15rem 0 0}
input[type=email],input[type=password],input[type=text],input[type=search]{display:block;width:100%;min-height:44px;font:inherit;padding:.4rem .6rem;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem}
a{color:var(--act)}h2{font-size:1.1rem;margin:1.5rem 0 .25rem}code{font:.95em ui-monospace,monospace;overflow-wrap:anywhere}
button,.button{flex:1 1 8rem;min-height:44px;text-align:center;text-decoration:none;font:inherit;font-weight:600;padding:.4rem 1rem;border:2px solid var(--act);border-radius:.4rem;background:var(--card);color:var(--act);cursor:pointer}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0}.link{flex:none;min-height:0;border:0;background:none;padding:0 .25rem;font-weight:400;text-decoration:underline}
.main{background:var(--act);color:var(--card)}.qr{display:block;width:12rem;margin:.5rem auto}ul{list-style:none;padding:0;margin:.5rem 0}.codes{columns:11rem}.codes li{padding:.25rem 0}
.rows li{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center;justify-content:space-between;border-top:1px solid var(--line);padding:.5rem 0}.rows span{flex:1 1 12rem;overflow-wrap:anywhere}.rows button,.rows .button{flex:none;min-width:7rem}[hidden]{display:none!important}.mail{white-space:pre-line}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}.in{padding-inline-start:1.8rem}form{margin:0}.one{display:inline}`

/** A page as a response: no script but the one for passkeys, styles by nonce, nothing kept, nobody may frame it. */
export function toResponse(page: Page): Response {
  const { title, body, words = STRINGS, status = 200, leadsTo, cookies = [], goesTo, script } = page
  const nonce = randomBytes(16).toString('base64')
  const { language, direction, product } = words
  const text = html`<!doctype html>
<html lang="${language}" dir="${direction}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>${title} · ${product}</title><style nonce="${nonce}">${{ html: STYLE }}</style>${script !== undefined && html`<script nonce="${nonce}" src="${script}" integrity="${PASSKEY_INTEGRITY}" defer></script>`}</head>
<body><main>${body}</main></body></html>`.html
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
