/** A browser without a window: keeps cookies by path, follows redirects within the site, reads forms and sends them. */
export interface Shown {
  status: number
  url: string
  headers: Headers
  text: string
  /** Where it would go next outside of the site. */
  leaves: URL | null
}

/** What a page that says no is found by, in the log or the record. */
export function referenceOn({ text }: Pick<Shown, 'text'>): string | undefined {
  return /Reference: <code>(req_\w+)</.exec(text)?.[1]
}

export function createBrowser(site: string) {
  const cookies = new Map<string, { value: string; path: string }>()
  const origin = new URL(site).origin

  function cookieHeader(url: URL): string {
    return [...cookies]
      .filter(([, { path }]) => url.pathname === path || url.pathname.startsWith(path.replace(/\/?$/, '/')))
      .map(([name, { value }]) => `${name.split(' ')[0]}=${value}`)
      .join('; ')
  }
  function keep(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      const path = /;\s*path=([^;]+)/i.exec(cookie)?.[1] ?? '/'
      const isGone = /max-age=0/i.test(cookie) || /expires=Thu, 01 Jan 1970/i.test(cookie)
      if (isGone) cookies.delete(`${name} ${path}`)
      else cookies.set(`${name} ${path}`, { value, path })
    }
  }
  async function go(target: string | URL, init: RequestInit = {}): Promise<Shown> {
    let url = new URL(target, site)
    for (let hops = 0; hops < 10; hops++) {
      if (url.origin !== origin)
        return { status: 303, url: url.href, headers: new Headers(), text: '', leaves: url }
      const headers = new Headers(init.headers)
      headers.set('cookie', cookieHeader(url))
      const response = await fetch(url, { ...init, headers, redirect: 'manual' })
      keep(response)
      const location = response.headers.get('location')
      if (location === null)
        return {
          status: response.status,
          url: url.href,
          headers: response.headers,
          text: await response.text(),
          leaves: null,
        }
      await response.body?.cancel()
      url = new URL(location, url)
      init = {}
    }
    throw new Error(`too many redirects at ${url}`)
  }
  /** The fields that a form on a page would send, as they stand. */
  function fieldsOf(page: Shown, submit?: string): URLSearchParams {
    const fields = new URLSearchParams()
    for (const [input] of page.text.matchAll(/<(?:input|button)[^>]*>/g)) {
      const at = (name: string) => decode(new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1])
      const [type, name, value] = [at('type'), at('name'), at('value') ?? 'on']
      if (name === undefined) continue
      if ((type === 'checkbox' || type === 'radio') && !/\bchecked\b/.test(input)) continue
      if (input.startsWith('<button') && value !== submit) continue
      fields.append(name, value)
    }
    return fields
  }
  function actionOf(page: Shown): string {
    return new URL(decode(/<form[^>]*action="([^"]*)"/.exec(page.text)?.[1]) ?? '', page.url).href
  }
  return {
    cookies,
    keep,
    open: (target: string | URL) => go(target),
    fieldsOf,
    post: (target: string | URL, fields: URLSearchParams, headers: Record<string, string> = {}) =>
      go(target, { method: 'POST', body: fields, headers }),
    /** One of several forms of a page: the one in which this text stands. */
    formOf(page: Shown, text: string): Shown {
      const form = page.text.match(/<form[\s\S]*?<\/form>/g)?.find(one => one.includes(text))
      if (form === undefined) throw new Error(`no form with "${text}" at ${page.url}: ${page.text}`)
      return { ...page, text: form }
    },
    /** Fills such a form in and sends it. */
    send(page: Shown, text: string, values: Record<string, string> = {}): Promise<Shown> {
      return this.submit(this.formOf(page, text), values)
    },
    /** Fills a form in and sends it. */
    submit(page: Shown, values: Record<string, string | string[]> = {}, submit?: string): Promise<Shown> {
      const fields = fieldsOf(page, submit)
      for (const [name, value] of Object.entries(values)) {
        fields.delete(name)
        for (const one of [value].flat()) fields.append(name, one)
      }
      return go(actionOf(page), { method: 'POST', body: fields })
    },
  }
}

export type Browser = ReturnType<typeof createBrowser>

function decode(text: string): string
function decode(text: string | undefined): string | undefined
function decode(text: string | undefined): string | undefined {
  return text
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}
