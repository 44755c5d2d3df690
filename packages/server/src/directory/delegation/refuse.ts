import { AppError } from '@valetkey/sdk/core'

/** What about a delegation is not allowed. */
export type Fault =
  | 'basis'
  | 'condition'
  | 'cycle'
  | 'delegate'
  | 'depth'
  | 'expiry'
  | 'handle'
  | 'resource'
  | 'rule'
  | 'scope'

export function refuse(fault: Fault, sentence: string): never {
  throw new AppError('delegation.refused', sentence, { path: fault })
}
