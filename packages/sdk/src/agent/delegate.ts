import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { type Asking, ask } from './ask.ts'

/** Within which bounds another agent may act. What is left out is all that this one may hand on. */
export interface Bounds {
  /** Scopes, as `invoices:read`. */
  only?: readonly string[]
  /** Resources, each with all below it, as `customer/acme`. */
  on?: readonly string[]
  /** How long, as `15m`, `2h` or `1d`; an hour, where it is left out. */
  for?: string
  /** CEL over the arguments of a call, as `args.amount <= 100.0`. */
  when?: string
  /** How many more agents it may go on to. */
  hops?: number
  /** What it rests on: a person's grant, or a delegation to this agent; what this agent may itself, without either. */
  grant?: string
  delegation?: string
  purpose?: string
}

/** What is handed over to the other agent. The handle is good once, for that agent alone, for two minutes. */
export interface Handover {
  handle: string
  delegation: string
  scopes: readonly string[]
  expiresAt: string
}

const Offer = z.object({
  delegation_id: z.string(),
  subject_token: z.string(),
  scope: z.string(),
  delegation_expires_at: z.string(),
})

/** Lets another agent act within bounds. This agent's own tokens go nowhere. */
export async function requestDelegation(asking: Asking, to: string, bounds: Bounds): Promise<Handover> {
  const { only, on, when, hops, grant, delegation, purpose } = bounds
  const form = {
    ...{ delegate: to, scope: only?.join(' '), on, when, purpose },
    ...{ grant_id: grant, delegation_id: delegation, hops: hops?.toString() },
    expires_in: bounds.for === undefined ? undefined : String(secondsOf(bounds.for)),
  }
  const { delegationEndpoint } = asking.authority
  const offer = await ask(asking, delegationEndpoint, form, Offer, `a delegation to ${to}`)
  return {
    handle: offer.subject_token,
    delegation: offer.delegation_id,
    scopes: offer.scope.split(' ').filter(Boolean),
    expiresAt: offer.delegation_expires_at,
  }
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

function secondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count === undefined || unit === undefined)
    throw new AppError('request.invalid', 'Write how long as "30s", "15m", "2h" or "1d".', { path: 'for' })
  return Number(count) * SECONDS[unit as keyof typeof SECONDS]
}
