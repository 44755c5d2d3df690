import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import * as z from 'zod'

/** A session as better-auth keeps it, with the address that stands for its person. */
export type SessionRow = z.output<typeof Row>

/** SQLite keeps times as text and truth as a number. */
const Row = z.object({
  id: z.string(),
  email: z.string(),
  createdAt: z.coerce.date(),
  expiresAt: z.coerce.date(),
  provedAt: z.coerce.date().nullish(),
  epoch: z.coerce.number(),
  methods: z.string(),
  secondFactor: z.union([z.boolean(), z.number().transform(Boolean)]),
  ipAddress: z.string().nullish(),
  userAgent: z.string().nullish(),
})

/**
 * Finds the session that a signed cookie of better-auth's names, in one query. Every page asks for it, and better-auth's
 * own way there (a router, keys imported anew, two queries built anew) takes a good part of what such a page costs.
 */
export function createSessionLookup(options: {
  database: Kysely<unknown>
  cookie: string
  secret: string
  now(): number
}): (cookies: string | undefined) => Promise<SessionRow | undefined> {
  const { database, cookie, secret, now } = options
  return async cookies => {
    const token = readSigned(cookieIn(cookies ?? '', cookie), secret)
    if (token === undefined) return undefined
    const { rows } =
      await sql<unknown>`select s."id", u."email", s."createdAt", s."expiresAt", s."provedAt", s."epoch",
      s."methods", s."secondFactor", s."ipAddress", s."userAgent"
      from "people_session" s join "people_user" u on u."id" = s."userId" where s."token" = ${token}`.execute(
        database,
      )
    const row = rows.length === 1 ? Row.parse(rows[0]) : undefined
    return row && row.expiresAt.getTime() > now() ? row : undefined
  }
}

function cookieIn(cookies: string, name: string): string {
  const found = cookies.split(/;\s*/).find(cookie => cookie.startsWith(`${name}=`))
  return found?.slice(name.length + 1) ?? ''
}

/** `TOKEN.SIGNATURE`, percent-encoded: the token, if it was signed here. */
function readSigned(value: string, secret: string): string | undefined {
  const [, token = '', mark = ''] = /^([^.]+)\.([A-Za-z0-9+/]{43}=)$/.exec(decode(value)) ?? []
  const wanted = createHmac('sha256', secret).update(token).digest()
  const given = Buffer.from(mark, 'base64')
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? token : undefined
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
