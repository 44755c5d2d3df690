import { isId } from '@valetkey/sdk/core'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { type Accounts, type AccountsOptions, COOKIE_PREFIX } from './accounts.ts'
import { type AccountDatabase, openAccountDatabase } from './database.ts'
import { createPasswordHash, LONGEST_PASSWORD, SHORTEST_PASSWORD } from './password.ts'

const SESSION_SECONDS = 12 * 60 * 60

/** Better-auth wants an address of everybody. This one takes no mail, and says which person of ours it is. */
const DOMAIN = 'people.invalid'
const addressOf = (person: string) => `${person}@${DOMAIN}`
const NOBODY = `nobody@${DOMAIN}`

/**
 * Accounts kept by better-auth. Only what is called here is ever reached: its routes are not mounted, so that nobody can
 * sign up, register an identity provider or change an address from outside.
 */
export async function createAccounts(options: AccountsOptions): Promise<Accounts> {
  const { database, type, close, asOnlyMigrator } = await openAccountDatabase(options.url)
  const passwords = createPasswordHash(options.passwordCost)
  const settings = settingsOf(options, { db: database, type }, passwords)
  await asOnlyMigrator(async () => (await getMigrations(settings)).runMigrations())
  const auth = betterAuth(settings)
  const { internalAdapter } = await auth.$context
  const findUser = async (person: string) => (await internalAdapter.findUserByEmail(addressOf(person)))?.user

  return {
    async signIn(person, password) {
      const email = person === undefined ? NOBODY : addressOf(person)
      try {
        const body = { email, password, rememberMe: false }
        const { headers } = await auth.api.signInEmail({ body, returnHeaders: true })
        return headers.getSetCookie()
      } catch (fault) {
        if (isRefusal(fault)) return undefined
        throw fault
      }
    },
    async findSession(cookies) {
      const found = await auth.api.getSession({ headers: new Headers({ cookie: cookies ?? '' }) })
      const [person = ''] = found?.user.email.split('@') ?? []
      if (!found || !isId(person, 'person')) return undefined
      return { person, id: found.session.id, signedInAt: found.session.createdAt.getTime() }
    },
    async signOut(cookies) {
      const headers = new Headers({ cookie: cookies ?? '' })
      return (await auth.api.signOut({ headers, returnHeaders: true })).headers.getSetCookie()
    },
    async setPassword({ id, name }, password) {
      const hash = await passwords.hash(password)
      const known = await findUser(id)
      const user =
        known ??
        (await internalAdapter.createUser({ email: addressOf(id), name, emailVerified: true }, {
          method: 'email-password',
        } as never))
      const accounts = await internalAdapter.findAccounts(user.id)
      if (accounts.some(account => account.providerId === 'credential'))
        await internalAdapter.updatePassword(user.id, hash)
      else
        await internalAdapter.linkAccount({
          userId: user.id,
          providerId: 'credential',
          accountId: user.id,
          password: hash,
        } as never)
      await internalAdapter.deleteUserSessions(user.id)
    },
    async endSessions(person) {
      const user = await findUser(person)
      if (user) await internalAdapter.deleteUserSessions(user.id)
    },
    close,
  }
}

/** Nothing by mail, nobody signs up, no limits of its own: ours stand before it. */
function settingsOf(
  { issuer, secret, onFault }: AccountsOptions,
  database: { db: AccountDatabase['database']; type: AccountDatabase['type'] },
  passwords: ReturnType<typeof createPasswordHash>,
) {
  return {
    baseURL: issuer,
    secret,
    database,
    user: { modelName: 'people_user' },
    session: { modelName: 'people_session', expiresIn: SESSION_SECONDS, disableSessionRefresh: true },
    account: { modelName: 'people_account' },
    verification: { modelName: 'people_verification' },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: SHORTEST_PASSWORD,
      maxPasswordLength: LONGEST_PASSWORD,
      password: passwords,
    },
    advanced: {
      cookiePrefix: COOKIE_PREFIX,
      useSecureCookies: issuer.startsWith('https:'),
      ipAddress: { disableIpTracking: true },
    },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: {
      level: 'error' as const,
      log: (_level: string, message: string, ...details: unknown[]) =>
        onFault(details.find(detail => detail instanceof Error) ?? new Error(message)),
    },
  }
}

/** An answer of better-auth to the person, such as a wrong password, and no fault. */
function isRefusal(fault: unknown): boolean {
  const status = (fault as { statusCode?: unknown } | null)?.statusCode
  return typeof status === 'number' && status < 500
}
