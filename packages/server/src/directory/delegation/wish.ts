/** What an agent that proved itself asks for when it delegates. */
export interface DelegationWish {
  organization: string
  agent: string
  credential: string
  /** Another agent of the organization, by name or id. */
  delegate: string
  /** What it rests on: a person's grant to this agent, a delegation to it, or, without either, what it may itself. */
  grant: string | undefined
  parent: string | undefined
  /** All that may be handed on, where they are left out. */
  scopes: readonly string[] | undefined
  /** As `customer/acme`; without any, all that it rests on. */
  resources: readonly string[]
  condition: string | null
  expiresInSeconds: number
  /** How many more agents it may go on to. */
  hops: number
  purpose: string
}
