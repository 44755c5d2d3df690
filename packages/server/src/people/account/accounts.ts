import type { Proof } from '../factor/proof.ts'

/** Somebody who has signed in here with this browser, and how. */
export interface Session extends Proof {
  /** The id of the person. */
  person: string
  /** Names this session; what a form is bound to. */
  id: string
  /** Of the person when it was opened: one that is not the person's any more has ended. */
  epoch: number
  /** Milliseconds since 1970. */
  signedInAt: number
  /**
   * When the person has last shown who they are, in milliseconds since 1970: an identity provider may let somebody in by a
   * session of its own. 0 where it does not say.
   */
  provedAt: number
}

/** One of a person's sessions, as the person knows it again. */
export interface OpenSession extends Session {
  /** Where it was opened from, and by what. */
  address: string
  userAgent: string
}

/** Who a session is opened for. */
export interface AccountHolder {
  id: string
  name: string
  epoch: number
}

/** Who can sign in, and who has. One account a person of an organization, so that no organization decides for another. */
export interface Accounts {
  /** Whether this is the person's password; takes the same time for nobody at all. */
  checkPassword(person: string | undefined, password: string): Promise<boolean>
  /**
   * Opens a session for whoever has proved to be this person, by whatever way: its id, and its cookies. Forgets those
   * that were opened at an earlier epoch, and those whose time is over.
   */
  openSession(
    person: AccountHolder,
    proof: Proof,
    lifeMinutes: number,
    from: Pick<OpenSession, 'address' | 'userAgent' | 'signedInAt' | 'provedAt'>,
  ): Promise<{ id: string; cookies: string[] }>
  /** The session that a request's cookies name, if it lives. */
  findSession(cookies: string | undefined): Promise<Session | undefined>
  /** Ends the session that these cookies name, and gives the cookies that clear them. */
  signOut(cookies: string | undefined): Promise<string[]>
  /** All of a person's that live, the newest first. */
  listSessions(person: string): Promise<OpenSession[]>
  /** Ends one of a person's; false where the person has no such one. */
  endSession(person: string, session: string): Promise<boolean>
  hasPassword(person: string): Promise<boolean>
  /** Sets a person's password, and ends every session that the person has. */
  setPassword(person: Pick<AccountHolder, 'id' | 'name'>, password: string): Promise<void>
  close(): Promise<void>
}

export interface AccountsOptions {
  /** `sqlite:PATH` of a file of its own, `sqlite::memory:` or `postgres://…`. */
  url: string
  issuer: string
  secret: string
  /** Two to this power is the cost of a password hash. */
  passwordCost: number
  now(): number
  onFault(fault: unknown): void
}

/** The cookies of better-auth begin like this, with `__Secure-` before it under https. */
export const COOKIE_PREFIX = 'valetkey'
