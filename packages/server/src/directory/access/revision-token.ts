import { AppError } from '@valetkey/sdk/core'

/**
 * A moment in the life of an organization, as a caller may hold on to it: what a write made, or what an answer rests
 * on. The organization goes by its number, 0 where only the catalogue is meant.
 */
export interface RevisionToken {
  organization: number
  revision: number
  catalogue: number
}

const FORM = /^(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})$/

export function formatRevisionToken({ organization, revision, catalogue }: RevisionToken): string {
  return `rev_${Buffer.from(`${organization}.${revision}.${catalogue}`).toString('base64url')}`
}

/** Reads a token that was given out; throws `revision.unknown` for anything else. */
export function parseRevisionToken(token: string): RevisionToken {
  const text = Buffer.from(token.replace(/^rev_/, ''), 'base64url').toString()
  const [, organization, revision, catalogue] = (FORM.exec(text) ?? []).map(Number)
  if (organization !== undefined && revision !== undefined && catalogue !== undefined) {
    const parsed = { organization, revision, catalogue }
    if (formatRevisionToken(parsed) === token) return parsed
  }
  throw unknownRevision('This is not a revision token that was given out here.')
}

export function unknownRevision(message: string): AppError {
  return new AppError('revision.unknown', message, { path: 'consistency' })
}
