import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { PasskeyRequest } from '../factor/passkeys.ts'
import { type Html, html } from './html.ts'

/** The one script of our pages. Without it everything but passkeys works. */
export const PASSKEY_SCRIPT = readFileSync(new URL('./passkey.client.js', import.meta.url), 'utf8')
const hash = createHash('sha384').update(PASSKEY_SCRIPT).digest('base64')
export const PASSKEY_INTEGRITY = `sha384-${hash}`
/** Another script has another address, so that browsers may keep it for good. */
export const PASSKEY_PATH = `/passkey-${createHash('sha256').update(PASSKEY_SCRIPT).digest('hex').slice(0, 12)}.js`

/** A form that a passkey fills in and sends; there is nothing to see where the browser has none, or runs no script. */
export function passkeyForm(options: {
  action: string
  request: PasskeyRequest
  kind: 'get' | 'create'
  button: string
  /** Said where the person stops, or the device refuses. */
  failed: string
  fields: Html
}): Html {
  const { action, request, kind, button, failed, fields } = options
  return html`<form method="post" action="${action}" data-passkey="${kind}" data-options="${request.options}" hidden>${fields}
<input type="hidden" name="challenge" value="${request.challenge}"><input type="hidden" name="credential" value="">
<p class="warn" role="alert" hidden>${failed}</p><div class="row"><button>${button}</button></div></form>`
}

/** Path of the script, where a page has such a form. */
export function scriptFor(base: string, request: PasskeyRequest | undefined): string | undefined {
  return request && base + PASSKEY_PATH
}
