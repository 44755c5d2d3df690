import { AppError } from '@valetkey/sdk/core'

/** Where a subscriber stands: the revision that it has of each organization. On the wire `catalogue.12,org_….5`. */
export type Position = Map<string, number>

const ORGANIZATION = /^(catalogue|org_[0-9a-z]{1,64})$/
const ENTRY = /^(catalogue|org_[0-9a-z]{1,64})\.(0|[1-9][0-9]{0,14})$/
const MOST_ORGANIZATIONS = 5_000

export function isOrganizationId(id: string): boolean {
  return ORGANIZATION.test(id)
}

function parsePosition(text: string): Position {
  const position: Position = new Map()
  const entries = text.split(',', MOST_ORGANIZATIONS + 1)
  if (entries.length > MOST_ORGANIZATIONS)
    throw new AppError('request.invalid', `A position names at most ${MOST_ORGANIZATIONS} organizations.`)
  for (const entry of entries) {
    const [, organization, revision] = ENTRY.exec(entry) ?? []
    if (organization === undefined || revision === undefined)
      throw new AppError('request.invalid', 'A position is written as "catalogue.12,org_….5".')
    if (position.has(organization))
      throw new AppError('request.invalid', `The position names ${organization} twice.`)
    position.set(organization, Number(revision))
  }
  return position
}

export function formatPosition(position: Position): string {
  let text = ''
  for (const [organization, revision] of position)
    text += `${text === '' ? '' : ','}${organization}.${revision}`
  return text
}

/** Where a reconnecting subscriber goes on: what it asks to follow, from where the last event it saw left off. */
export function resumePosition(from: string | undefined, lastEventId: string | undefined): Position {
  const position = parsePosition(from ?? '')
  if (lastEventId === undefined || lastEventId === '') return position
  for (const [organization, revision] of parsePosition(lastEventId))
    if (position.has(organization)) position.set(organization, revision)
  return position
}
