// Who all programs in this folder are: an agent with a key of its own. Set VALETKEY_URL, VALETKEY_CLIENT_ID, VALETKEY_KEY_FILE, BILLING_URL.
import { readFileSync } from 'node:fs'
import { createAgent } from '@valetkey/sdk/agent'

const { VALETKEY_URL, VALETKEY_CLIENT_ID = '', VALETKEY_KEY_FILE = '', BILLING_URL } = process.env

export const billing = BILLING_URL ?? 'http://127.0.0.1:8787/mcp'
export const agent = createAgent({
  issuer: VALETKEY_URL ?? 'http://127.0.0.1:4600',
  clientId: VALETKEY_CLIENT_ID,
  key: JSON.parse(readFileSync(VALETKEY_KEY_FILE, 'utf8')),
})
