import { isoTime } from '@valetkey/sdk/core'
import type { ConsentPolicy, StandingGrant } from '../../directory/index.ts'
import type { Form } from '../form.ts'
import type { Offer, OfferedScope } from './offer.ts'

/** How long what is dangerous may be done, once it was allowed. Then the person is asked again. */
const ELEVATED_MS = 60 * 60_000

/** The most resources that one answer can name. */
const MOST_RESOURCES = 200

/** What somebody has ticked, as the form says it. */
export interface Choice {
  /** `added`: the page showed only what is new, and the rest stays as it is. */
  view: 'all' | 'added'
  scopes: string[]
  /** Whatever is ticked among resources. */
  ticked: string[]
  /** The same, where only these are meant; undefined is everything. */
  resources: string[] | undefined
  /** In seconds; undefined keeps the end that there is. */
  lasting: number | undefined
  find: string
}

export function readChoice(form: Form): Choice {
  const seconds = form.one('duration')
  const ticked = form.all('resource').slice(0, MOST_RESOURCES)
  return {
    view: form.one('view') === 'added' ? 'added' : 'all',
    scopes: form.all('scope'),
    ticked,
    resources: form.one('reach') === 'some' ? ticked : undefined,
    lasting: /^\d{1,9}$/.test(seconds) ? Number(seconds) : undefined,
    find: form.one('find').trim().slice(0, 100),
  }
}

/** The lengths of time that a person may choose from, in seconds, ascending. */
export function lengthsOf({ longestSeconds, proposedSeconds }: ConsentPolicy): number[] {
  const usual = [3_600, 86_400, 30 * 86_400].filter(seconds => seconds < longestSeconds)
  return [...new Set([...usual, proposedSeconds, longestSeconds])].sort((a, b) => a - b)
}

/** What of an offer the page asks about. */
export function askedOn(view: Choice['view'], { scopes }: Offer): OfferedScope[] {
  return view === 'added' ? scopes.filter(({ isAsked, isGranted }) => isAsked && !isGranted) : scopes
}

/** What is agreed to, and what of it this request's token may carry. */
export interface Terms {
  scopes: string[]
  elevated: Record<string, number>
  expiresAt: string
  token: string[]
}

/**
 * What comes of an offer and what was ticked: never more than both. Undefined where the form names a time that nobody
 * may choose. What is dangerous is held for an hour at most, and belongs to no later request.
 */
export function termsOf(
  offer: Offer,
  choice: Pick<Choice, 'view' | 'scopes' | 'lasting'>,
  bounds: { standing: StandingGrant | undefined; policy: ConsentPolicy; isWhole: boolean; now: number },
): Terms | undefined {
  const { standing, policy, isWhole, now } = bounds
  const shown = askedOn(choice.view, offer)
  const chosen = shown.filter(({ slug }) => isWhole || choice.scopes.includes(slug))
  const end = endOf(choice, standing, policy, now)
  if (end === undefined) return undefined
  const kept = choice.view === 'added' ? (standing?.scopes ?? []) : []
  const lasting = chosen.filter(({ risk }) => risk !== 'dangerous').map(({ slug }) => slug)
  const scopes = [...new Set([...kept, ...lasting])].sort()
  const elevated = Object.fromEntries(
    Object.entries(standing?.elevated ?? {}).filter(
      ([slug, until]) => until > now && !shown.some(scope => scope.slug === slug),
    ),
  )
  for (const { slug, risk } of chosen)
    if (risk === 'dangerous') elevated[slug] = Math.min(now + ELEVATED_MS, end)
  const ends = scopes.length > 0 ? end : Math.max(0, ...Object.values(elevated))
  const given = offer.scopes.filter(scope => scope.isAsked && isGiven(scope, scopes, chosen))
  return { scopes, elevated, expiresAt: isoTime(ends), token: given.map(({ slug }) => slug) }
}

function isGiven(scope: OfferedScope, scopes: readonly string[], chosen: readonly OfferedScope[]): boolean {
  return chosen.includes(scope) || (scope.isGranted && scopes.includes(scope.slug))
}

function endOf(
  { view, lasting }: Pick<Choice, 'view' | 'lasting'>,
  standing: StandingGrant | undefined,
  policy: ConsentPolicy,
  now: number,
): number | undefined {
  const stands = standing && Date.parse(standing.expiresAt)
  if (view === 'added') return stands
  if (lasting !== undefined) return lengthsOf(policy).includes(lasting) ? now + lasting * 1000 : undefined
  return stands && Math.min(stands, now + policy.longestSeconds * 1000)
}
