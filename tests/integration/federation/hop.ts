import { expect } from 'vitest'
import { type Browser, createBrowser, referenceOn, type Shown } from '../browser.ts'
import type { PeopleSite } from '../people-site.ts'

/** The windows of one person: one for our site, one for each provider; cookies of one are never sent to another. */
export function createPerson(site: string, ...others: string[]) {
  const browsers = new Map([site, ...others].map(origin => [origin, createBrowser(origin)]))
  const at = (origin: string): Browser => {
    const browser = browsers.get(origin)
    if (!browser) throw new Error(`nobody surfs at ${origin}`)
    return browser
  }
  /** The form of a provider's page that sends itself to our site. */
  function readForm(page: Shown): { action: string; fields: URLSearchParams } | undefined {
    const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&#x2F;', '/')
    if (!action?.startsWith(site)) return undefined
    return { action, fields: at(new URL(page.url).origin).fieldsOf(page) }
  }
  /** Posts from another site: our cookies stay at home (SameSite), and come along when the answer leads on. */
  async function deliver(action: string, fields: URLSearchParams): Promise<string | Shown> {
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'null' }
    const response = await fetch(action, { method: 'POST', body: fields, headers, redirect: 'manual' })
    const location = response.headers.get('location')
    if (location !== null) {
      at(site).keep(response)
      return new URL(location, action).href
    }
    const text = await response.text()
    return { status: response.status, url: action, headers: response.headers, text, leaves: null }
  }
  /** Goes on as a browser does: by redirects to other sites, and by pages and forms that go on by themselves. */
  async function follow(page: Shown): Promise<Shown> {
    let here = page
    for (let hops = 0; hops < 10; hops++) {
      const refresh = /url=(.*)$/.exec(here.headers.get('refresh') ?? '')?.[1]
      const form = here.url.startsWith(site) ? undefined : readForm(here)
      const next = here.leaves?.href ?? refresh ?? (form && (await deliver(form.action, form.fields)))
      if (next === undefined) return here
      here = typeof next === 'string' ? await at(new URL(next).origin).open(next) : next
    }
    throw new Error(`too many hops at ${here.url}`)
  }
  return {
    at,
    follow,
    deliver,
    /** Types an address at the sign-in page and chooses the organization's own sign-in. */
    async signInElsewhere(email: string, values: Record<string, string> = {}): Promise<Shown> {
      const page = await at(site).open('/sign-in')
      return follow(await at(site).submit(page, { email, way: 'provider', ...values }))
    },
  }
}

/** Collects why sign-ins were refused, by the reference that each page shows, and holds it to the record in the end. */
export function createReasons(site: () => PeopleSite) {
  const expected = new Map<string, string>()
  return {
    /** The page is a refusal, and the record will say this of it. */
    expect(page: Shown, reason: string) {
      expect(page.status, page.text).toBe(403)
      expected.set(referenceOn(page) ?? `no reference on ${page.url}`, reason)
    },
    async check() {
      const recorded = async () => {
        const events = await site().events('person.sign_in_refused')
        const all = events.map(
          ({ detail }) => [String(detail['reference']), String(detail['reason'])] as const,
        )
        return Object.fromEntries(all.filter(([reference]) => expected.has(reference)))
      }
      await expect.poll(recorded, { timeout: 15_000 }).toEqual(Object.fromEntries(expected))
    },
  }
}
