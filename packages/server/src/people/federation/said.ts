import type { Assertion } from '../../directory/index.ts'

/** What came back from a provider, once every check of its protocol has passed. */
export interface Said {
  assertion: Assertion
  /** Whether the provider says that it took two different things. */
  secondFactor: boolean
  /** When it has last asked the person, in milliseconds since 1970; undefined where it does not say. */
  authenticatedAt: number | undefined
  /** How the provider names the person where it tells of a sign-out. */
  signOutName: string
  /** What the provider calls the session, where it does. */
  sid: string | null
  /** What it takes to end the session at the provider, as its protocol wants it. */
  logout: string
}

/** A sign-in at a provider that did not come to its end, and why; people see less. */
export class FederationError extends Error {
  override name = 'FederationError'
  readonly reason: string
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}

const MOST_CHARACTERS = 200

/** The one text of a claim or attribute; one that holds what nobody can see is none. */
export function textOf(value: unknown): string | undefined {
  const [one, ...others] = Array.isArray(value) ? (value as unknown[]) : [value]
  return others.length === 0 && isPlain(one) ? one : undefined
}

/** All texts of a claim or attribute: a provider that knows one group may send it alone. */
export function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? (value as unknown[]) : [value])
    .filter(isPlain)
    .filter(one => one !== '' && one.length <= MOST_CHARACTERS)
}

function isPlain(value: unknown): value is string {
  return typeof value === 'string' && !/\p{Cc}/u.test(value)
}
