import type { SignInPolicy } from '../../directory/index.ts'

/** What somebody proved it by: the methods of the policy, and those that only come second. */
export const METHODS = ['password', 'passkey', 'link', 'oidc', 'saml', 'totp', 'recovery_code'] as const
export type Method = (typeof METHODS)[number]

/** How somebody has proved who they are; every way to sign in comes to one of these. */
export interface Proof {
  /** In the order in which they were used; the first one is what the sign-in began with. */
  methods: readonly Method[]
  /** Whether it took two different things, here or at the identity provider. */
  secondFactor: boolean
}

/** What an organization says of a proof: good enough, one that lacks something, or one that is not taken. */
export type Verdict = 'enough' | 'second_factor' | 'refused'

export function judgeProof(policy: SignInPolicy, { methods, secondFactor }: Proof): Verdict {
  const [first] = methods
  if (!policy.methods.some(method => method === first)) return 'refused'
  return policy.secondFactor === 'required' && !secondFactor ? 'second_factor' : 'enough'
}
