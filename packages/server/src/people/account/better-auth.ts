import { isId } from '@valetkey/sdk/core'
import { type BetterAuthOptions, betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import * as z from 'zod'
import { METHODS, type Method } from '../factor/proof.ts'
import { createPasswordHash } from '../password/password.ts'
import { sessionOpening } from '../sign-in/session-endpoint.ts'
import { createSessionLookup } from '../sign-in/session-lookup.ts'
import { type Accounts, type AccountsOptions, COOKIE_PREFIX, type OpenSession } from './accounts.ts'
import { type AccountDatabase, openAccountDatabase } from './database.ts'

/** Better-auth wants an address of everybody. This one takes no mail, and says which person of ours it is. */
const DOMAIN = 'people.invalid'
const addressOf = (person: string) => `${person}@${DOMAIN}`

const Methods = z.array(z.enum(METHODS))

/**
 * Accounts kept by better-auth. Only what is called here is ever reached: its routes are not mounted, so that nobody can
 * sign up, register an identity provider or change an address from outside.
 */
export async function createAccounts(options: AccountsOptions): Promise<Accounts> {
  const { database, type, close, asOnlyMigrator } = await openAccountDatabase(options.url)
  const passwords = createPasswordHash(options.passwordCost)
  const settings = settingsOf(options, { db: database, type })
  await asOnlyMigrator(async () => (await getMigrations(settings)).runMigrations())
  const auth = betterAuth(settings)
  const { adapter, internalAdapter, authCookies, secret } = await auth.$context
  const cookie = authCookies.sessionToken.name
  const findByCookie = createSessionLookup({ database, cookie, secret, now: options.now })
  const findUser = async (person: string) => (await internalAdapter.findUserByEmail(addressOf(person)))?.user
  const ensureUser = async ({ id, name }: { id: string; name: string }) =>
    (await findUser(id)) ??
    (await internalAdapter.createUser({ email: addressOf(id), name, emailVerified: true }, {
      method: 'email-password',
    } as never))
  const findPassword = async (user: string) =>
    (await internalAdapter.findAccounts(user)).find(({ providerId }) => providerId === 'credential')
  /** Hashes a password at the cost of today, if it is still the password by then. */
  const rehash = async (user: string, before: string, password: string) => {
    const update = { password: await passwords.hash(password) }
    const isAsBefore = [
      { field: 'userId', value: user },
      { field: 'password', value: before },
    ]
    await adapter.updateMany({ model: 'account', where: isAsBefore, update })
  }
  const listRows = async (user: string | undefined) =>
    user === undefined
      ? []
      : z.array(SessionRow).parse(await internalAdapter.listSessions(user, { onlyActiveSessions: true }))

  return {
    async checkPassword(person, password) {
      const user = person === undefined ? undefined : await findUser(person)
      const hash = user && (await findPassword(user.id))?.password
      if (!hash) return passwords.verifyNone(password)
      const isRight = await passwords.verify({ hash, password })
      // After the cost was changed, a check of an old hash would take another time than that of nobody.
      if (isRight && passwords.isOutdated(hash)) await rehash(user.id, hash, password)
      return isRight
    },
    async openSession({ id, name, epoch }, { methods, secondFactor }, lifeMinutes, from) {
      const { id: user } = await ensureUser({ id, name })
      const over = (await listRows(user)).filter(row => row.epoch < epoch)
      if (over.length > 0) await internalAdapter.deleteSessions(over.map(({ token }) => token))
      const ended = { field: 'expiresAt', operator: 'lte' as const, value: new Date(options.now()) }
      await adapter.deleteMany({ model: 'session', where: [{ field: 'userId', value: user }, ended] })
      const createdAt = new Date(from.signedInAt)
      const expiresAt = new Date(from.signedInAt + lifeMinutes * 60_000)
      const browser = { ipAddress: from.address, userAgent: from.userAgent.slice(0, 300) }
      const provedAt = new Date(from.provedAt)
      const proof = { methods: JSON.stringify(methods), secondFactor, epoch, provedAt }
      const body = { user, createdAt, expiresAt, ...browser, ...proof }
      const { headers, response } = await auth.api.openSession({ body, returnHeaders: true })
      return { id: response.id, cookies: headers.getSetCookie() }
    },
    async findSession(cookies) {
      const found = await findByCookie(cookies)
      const [person = ''] = found?.email.split('@') ?? []
      return found && isId(person, 'person') ? toSession(person, found) : undefined
    },
    async listSessions(person) {
      const rows = await listRows((await findUser(person))?.id)
      return rows.map(row => toSession(person, row)).sort((a, b) => b.signedInAt - a.signedInAt)
    },
    async endSession(person, session) {
      const rows = await listRows((await findUser(person))?.id)
      const row = rows.find(({ id }) => id === session)
      if (row) await internalAdapter.deleteSession(row.token)
      return row !== undefined
    },
    async hasPassword(person) {
      const user = await findUser(person)
      return user !== undefined && (await findPassword(user.id)) !== undefined
    },
    async signOut(cookies) {
      const headers = new Headers({ cookie: cookies ?? '' })
      return (await auth.api.signOut({ headers, returnHeaders: true })).headers.getSetCookie()
    },
    async setPassword(person, password) {
      const hash = await passwords.hash(password)
      const user = await ensureUser(person)
      if (await findPassword(user.id)) await internalAdapter.updatePassword(user.id, hash)
      else
        await internalAdapter.linkAccount({
          userId: user.id,
          providerId: 'credential',
          accountId: user.id,
          password: hash,
        } as never)
      await internalAdapter.deleteUserSessions(user.id)
    },
    close,
  }
}

const SessionRow = z.object({
  id: z.string(),
  token: z.string(),
  createdAt: z.date(),
  provedAt: z.date().nullish(),
  epoch: z.number(),
  methods: z.string(),
  secondFactor: z.boolean(),
  ipAddress: z.string().nullish(),
  userAgent: z.string().nullish(),
})

function toSession(person: string, row: Omit<z.infer<typeof SessionRow>, 'token'>): OpenSession {
  const { id, createdAt, provedAt, epoch, secondFactor } = row
  const methods: Method[] = Methods.parse(JSON.parse(row.methods))
  const from = { address: row.ipAddress ?? '', userAgent: row.userAgent ?? '' }
  const times = { signedInAt: createdAt.getTime(), provedAt: provedAt?.getTime() ?? 0 }
  return { person, id, epoch, methods, secondFactor, ...times, ...from }
}

/** Nothing by mail, nobody signs up, no way in of its own, no limits of its own: ours stand before it. */
function settingsOf(
  { issuer, secret, onFault }: AccountsOptions,
  database: { db: AccountDatabase['database']; type: AccountDatabase['type'] },
) {
  return {
    baseURL: issuer,
    secret,
    database,
    user: { modelName: 'people_user' },
    session: {
      modelName: 'people_session',
      disableSessionRefresh: true,
      additionalFields: {
        methods: { type: 'string', required: true, input: false },
        secondFactor: { type: 'boolean', required: true, input: false },
        epoch: { type: 'number', required: true, input: false },
        provedAt: { type: 'date', required: false, input: false },
      },
    },
    account: { modelName: 'people_account' },
    verification: { modelName: 'people_verification' },
    advanced: {
      cookiePrefix: COOKIE_PREFIX,
      useSecureCookies: issuer.startsWith('https:'),
      ipAddress: { disableIpTracking: true },
    },
    plugins: [sessionOpening()],
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: {
      level: 'error' as const,
      log: (_level: string, message: string, ...details: unknown[]) =>
        onFault(details.find(detail => detail instanceof Error) ?? new Error(message)),
    },
  } as const satisfies BetterAuthOptions
}
