import * as z from 'zod'
import type { SecretBox } from '../../store/index.ts'
import type { Person } from '../account/person.ts'
import { METHODS, type Proof } from '../factor/proof.ts'

/** Where somebody goes on once signed in. */
export interface Onward {
  /** Path of a page of ours. */
  next: string
  /** Origin (or scheme) outside that this may lead to in the end. */
  leadsTo?: string | undefined
  /** What the identity provider said with whom the sign-in began, for the session that comes of it. */
  said?: string | undefined
  /** When the person has shown there who they are; whoever shows something more here has done so just now. */
  provedAt?: number | undefined
}

/** What somebody has proved so far, while something is still missing. */
export interface Ticket extends Proof, Onward {
  person: string
  /** Of the person when it was made: a new password or a suspension makes it void. */
  epoch: number
}

const LIFE_MS = 10 * 60_000
const CONTEXT = 'sign-in:ticket'

const Sealed = z.object({
  person: z.string(),
  epoch: z.number(),
  methods: z.array(z.enum(METHODS)),
  secondFactor: z.boolean(),
  next: z.string(),
  leadsTo: z.string().optional(),
  said: z.string().optional(),
  endsAt: z.number(),
})

/** Seals what somebody has proved, for the form of the next step: nothing is kept here, and no session is open yet. */
export function sealTicket(
  secrets: SecretBox,
  { id: person, epoch }: Person,
  { methods, secondFactor }: Proof,
  { next, leadsTo, said }: Onward,
  now: number,
): string {
  const ticket = { person, epoch, methods, secondFactor, next, leadsTo, said, endsAt: now + LIFE_MS }
  return secrets.seal(JSON.stringify(ticket), CONTEXT)
}

export function openTicket(secrets: SecretBox, sealed: string, now: number): Ticket | undefined {
  try {
    const ticket = Sealed.parse(JSON.parse(secrets.open(sealed, CONTEXT)))
    return ticket.endsAt > now ? ticket : undefined
  } catch {
    return undefined
  }
}
