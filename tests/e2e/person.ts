import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, createBrowser, type Shown } from '../integration/browser.ts'
import type { World } from './world.ts'

export const PASSWORD = 'seven blue teapots'

/** What somebody ticks on the page; what is not said stays as the page has it. */
export interface Answer {
  scope?: readonly string[]
  resource?: readonly string[]
  /** In seconds. */
  duration?: number
  find?: string
  action?: 'allow' | 'deny' | 'find' | 'review' | 'ask'
}

/** Somebody with a password and a browser. */
export interface Person {
  browser: Browser
  email: string
  /** Opens a request, signs in where asked to, and stops at the page that asks. */
  look(url: string | URL): Promise<Shown>
  /** The same, and answers; gives the address that the browser leaves to. */
  decide(url: string | URL, answer?: Answer): Promise<URL>
  answer(page: Shown, answer?: Answer): Promise<Shown>
}

export async function invited(world: World, email: string): Promise<Person> {
  const { url } = await world.api.invitations.create({ id: email })
  const browser = createBrowser(world.url)
  await browser.submit(await browser.open(url), { password: PASSWORD, again: PASSWORD })
  return personWith(browser, email)
}

export function personWith(browser: Browser, email: string): Person {
  const answer: Person['answer'] = (page, { action = 'allow', scope, resource, duration, find } = {}) => {
    const fields = new URLSearchParams()
    for (const [name, value] of browser.fieldsOf(page)) fields.append(name, value)
    fields.delete('form')
    fields.append('form', browser.fieldsOf(page).getAll('form')[0] ?? '')
    fields.set('action', action)
    const replace = (name: string, values: readonly string[]) => {
      fields.delete(name)
      for (const value of values) fields.append(name, value)
    }
    if (scope) replace('scope', scope)
    if (resource) {
      replace('reach', ['some'])
      replace('resource', resource)
    }
    if (find !== undefined) replace('find', [find])
    if (duration !== undefined) replace('duration', [String(duration)])
    return browser.post(page.url, fields)
  }
  const look: Person['look'] = async url => {
    const page = await browser.open(url)
    return page.text.includes('name="password"') ? browser.submit(page, { email, password: PASSWORD }) : page
  }
  return {
    browser,
    email,
    look,
    answer,
    async decide(url, given) {
      const shown = await answer(await look(url), given)
      if (!shown.leaves) throw new Error(`no way back: ${shown.status} ${shown.text.slice(0, 2_000)}`)
      return shown.leaves
    },
  }
}

/** A loopback port on which nothing has to listen: the browser stops at its address. */
export async function freeRedirect(): Promise<string> {
  const http = createServer()
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  http.close()
  return `http://127.0.0.1:${port}/callback`
}
