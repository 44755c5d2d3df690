import { expect, vi } from 'vitest'
import { startSite } from '../consent-site.ts'
import { openReceiverPartner, type Told } from './receiver-partner.ts'

export const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
export const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'
export const [PUSH, POLL] = ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936']

/** The session that an event is about, where it is about one. */
export const sessionOf = ({ sub_id }: Told) => (sub_id['session'] as { id: string } | undefined)?.id

/** An authority with a person, somebody who takes what is pushed, and receivers as tests want them. */
export async function openStage() {
  const [site, partner] = await Promise.all([startSite(), openReceiverPartner()])
  await site.api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  let count = 0

  /** What the token endpoint answers a client that proves itself by its secret (RFC 6749 section 4.4). */
  async function askToken(client: string, secret: string, more: Record<string, string> = {}) {
    const response = await fetch(`${site.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...more }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }

  /** A receiver, and the calls that it makes with its token. */
  async function receiver(options: { pushes?: boolean; subjects?: 'email'; organization?: string } = {}) {
    const { pushes = true, subjects, organization = 'northwind' } = options
    const name = `receiver-${++count}`
    const made = await site.api.signalReceivers.create({
      ...{ organization, name, subjects },
      pushOrigin: pushes ? partner.origin : undefined,
    })
    const tokenFor = async (scope?: string, secret = made.secret) =>
      (await askToken(made.id, secret, scope === undefined ? {} : { scope })).body['access_token'] ?? ''
    const own = await tokenFor()
    const call = async (method: string, path: string, body?: unknown, token = own) => {
      const init: RequestInit = { method, headers: { authorization: `Bearer ${token}` } }
      if (body !== undefined) {
        init.body = JSON.stringify(body)
        init.headers = { ...init.headers, 'content-type': 'application/json' }
      }
      const response = await fetch(`${site.url}/signals${path}`, init)
      const text = await response.text()
      const challenge = response.headers.get('www-authenticate')
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text), challenge }
    }
    await partner.trust(site.url, made.audience)
    return {
      ...made,
      token: own,
      tokenFor,
      call,
      drop: () => site.api.signalReceivers.remove({ organization, receiver: name }),
    }
  }

  const pushTo = (path = '/events') => ({ method: PUSH, endpoint_url: partner.origin + path })

  /** An agent for which somebody has agreed to something. */
  async function granted() {
    const name = `agent-${++count}`
    const { id: agent } = await site.agent(name)
    const grant = await site.api.grants.create({
      agent,
      person: 'maya@northwind.test',
      scopes: ['tickets:read'],
    })
    return { agent, grant: grant.id }
  }

  const told = async (many: number) => {
    await vi.waitFor(() => expect(partner.told.length).toBeGreaterThanOrEqual(many), { timeout: 15_000 })
    return partner.told
  }

  return {
    ...{ site, partner, askToken, receiver, pushTo, granted, told },
    /** Between tests: nothing was told yet, and all is taken. */
    reset() {
      partner.told.length = 0
      partner.headers.length = 0
      partner.say(() => ({ status: 202 }))
    },
    async close() {
      await site[Symbol.asyncDispose]()
      await partner.close()
    },
  }
}
