import { type Accounts, type AccountsOptions, COOKIE_PREFIX } from './accounts.ts'
import type { createAccounts } from './better-auth.ts'

/**
 * Gives the accounts of people. better-auth is loaded when somebody first comes to sign in: an authority that only agents use
 * starts without it.
 */
export function openAccounts(options: AccountsOptions): Accounts {
  let opened: ReturnType<typeof createAccounts> | undefined
  const accounts = () => {
    opened ??= import('./better-auth.ts').then(module => module.createAccounts(options))
    opened.catch(() => {
      opened = undefined
    })
    return opened
  }
  const hasCookie = (cookies: string | undefined) => cookies?.includes(`${COOKIE_PREFIX}.session_token=`)
  return {
    checkPassword: async (person, password) => (await accounts()).checkPassword(person, password),
    openSession: async (...session) => (await accounts()).openSession(...session),
    listSessions: async person => (await accounts()).listSessions(person),
    endSession: async (person, session) => (await accounts()).endSession(person, session),
    hasPassword: async person => (await accounts()).hasPassword(person),
    findSession: async cookies => (hasCookie(cookies) ? (await accounts()).findSession(cookies) : undefined),
    signOut: async cookies => (hasCookie(cookies) ? (await accounts()).signOut(cookies) : []),
    setPassword: async (person, password) => (await accounts()).setPassword(person, password),
    async close() {
      await (await opened?.catch(() => undefined))?.close()
    },
  }
}
