import { AppError } from '@valetkey/sdk/core'

/** The error keywords of RFC 7644 section 3.12 that we use. */
export type ScimType =
  | 'invalidFilter'
  | 'invalidPath'
  | 'invalidSyntax'
  | 'invalidValue'
  | 'mutability'
  | 'noTarget'
  | 'tooMany'
  | 'uniqueness'

/** A refusal in the words of SCIM: expected, and something that whoever runs the directory can act on. */
export class ScimError extends Error {
  override name = 'ScimError'
  readonly status: number
  readonly scimType: ScimType | undefined
  constructor(status: number, detail: string, scimType?: ScimType, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause })
    this.status = status
    this.scimType = scimType
  }
}

const TYPES: Partial<Record<string, ScimType>> = {
  'conflict.exists': 'uniqueness',
  'request.invalid': 'invalidValue',
}

/** Says what an operation of ours refused in the words of SCIM; undefined for a fault. */
export function toScimError(fault: unknown): ScimError | undefined {
  if (fault instanceof ScimError) return fault
  if (!(fault instanceof AppError) || fault.status >= 500) return undefined
  return new ScimError(fault.status, fault.message, TYPES[fault.code], fault)
}
