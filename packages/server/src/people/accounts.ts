/** Somebody who has signed in here with this browser. */
export interface Session {
  /** The id of the person. */
  person: string
  /** Names this session; what a form is bound to. */
  id: string
  /** Milliseconds since 1970. */
  signedInAt: number
}

/** Who can sign in, and who has. One account a person of an organization, so that no organization decides for another. */
export interface Accounts {
  /** The cookies of a new session; undefined for a wrong password, and after the same time for nobody at all. */
  signIn(person: string | undefined, password: string): Promise<string[] | undefined>
  /** The session that a request's cookies name, if it lives. */
  findSession(cookies: string | undefined): Promise<Session | undefined>
  /** Ends the session that these cookies name, and gives the cookies that clear them. */
  signOut(cookies: string | undefined): Promise<string[]>
  /** Sets a person's password, and ends every session that the person has. */
  setPassword(person: { id: string; name: string }, password: string): Promise<void>
  endSessions(person: string): Promise<void>
  close(): Promise<void>
}

export interface AccountsOptions {
  /** `sqlite:PATH` of a file of its own, `sqlite::memory:` or `postgres://…`. */
  url: string
  issuer: string
  secret: string
  /** Two to this power is the cost of a password hash. */
  passwordCost: number
  onFault(fault: unknown): void
}

/** The cookies of better-auth begin like this, with `__Secure-` before it under https. */
export const COOKIE_PREFIX = 'valetkey'
