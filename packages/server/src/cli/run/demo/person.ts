import type { AdminApi, Client } from '@valetkey/sdk/contract'

/** Somebody who signs in and answers, on the very pages that a browser shows, without one. */
export interface Visitor {
  email: string
  password: string
  /** Opens an agent's request, allows some of it, and gives what was on the page and where the browser goes then. */
  allow(request: URL, answer: Answer): Promise<{ asked: string[]; back: URL }>
}

/** What is ticked. */
export interface Answer {
  scopes: readonly string[]
  resources: readonly string[]
  seconds: number
}

interface Shown {
  url: URL
  text: string
}

/** Invites a person, sets the password by the link, and gives them a browser without a window. */
export async function invite(
  api: Client<AdminApi>,
  { organization, email }: { organization: string; email: string },
): Promise<Visitor> {
  const { url } = await api.invitations.create({ organization, id: email })
  const password = 'seven blue teapots'
  const { open, send } = createBrowser()
  await send(await open(new URL(url)), 'password', { password: [password], again: [password] })
  return {
    email,
    password,
    async allow(request, { scopes, resources, seconds }) {
      const first = await open(request)
      const page = first.text.includes('name="password"')
        ? await send(first, 'password', { email: [email], password: [password] })
        : first
      const asked = [...page.text.matchAll(/name="scope" value="([^"]+)"/g)].map(([, scope = '']) => scope)
      const ticked = { scope: scopes, reach: ['some'], resource: resources, duration: [String(seconds)] }
      const { url: back } = await send(page, 'scope', { ...ticked, action: ['allow'] })
      if (back.origin === page.url.origin) throw new Error(`the answer was not taken: ${back}`)
      return { asked, back }
    },
  }
}

/** Keeps cookies, follows redirects within a site, and sends forms. */
function createBrowser() {
  const cookies = new Map<string, string>()
  async function go(target: URL, init: RequestInit = {}): Promise<Shown> {
    const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
    const response = await fetch(target, { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const text = await response.text()
    const location = response.headers.get('location')
    if (location === null) return { url: target, text }
    const next = new URL(location, target)
    return next.origin === target.origin ? go(next) : { url: next, text: '' }
  }
  return {
    open: (target: URL) => go(target),
    /** Sends the form that has a field of this name, with what it holds already. */
    send(page: Shown, field: string, values: Record<string, readonly string[]>): Promise<Shown> {
      const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => form)
      const form = forms.find(text => text.includes(`name="${field}"`))
      if (form === undefined) throw new Error(`there is no form with "${field}" at ${page.url}`)
      const body = new URLSearchParams()
      for (const [, name = '', value = ''] of form.matchAll(
        /<input type="hidden" name="([^"]+)" value="([^"]*)"/g,
      ))
        body.append(name, value)
      for (const [name, all] of Object.entries(values)) for (const value of all) body.append(name, value)
      const action = /action="([^"]+)"/.exec(form)?.[1] ?? ''
      return go(new URL(action.replaceAll('&amp;', '&'), page.url), { method: 'POST', body })
    },
  }
}
