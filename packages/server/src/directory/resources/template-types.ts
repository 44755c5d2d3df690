import { AppError } from '@valetkey/sdk/core'
import { parseTemplate } from '@valetkey/sdk/engine'
import type { Db } from '../../store/index.ts'
import type { Row } from '../fact-of.ts'
import { getResourceType, quote } from '../reference.ts'
import { readTypeTree } from './type-tree.ts'

/**
 * Refuses a resource template that could name nothing: its types must be there and lie below one another, and the
 * permission must be of the last one or of one above it, else nobody could ever hold it there.
 */
export async function refuseUnmatchable(
  db: Db,
  template: string | null,
  permission: Pick<Row<'permission'>, 'slug' | 'typeId'>,
): Promise<void> {
  const parsed = template === null ? '' : parseTemplate(template)
  if (typeof parsed === 'string') return
  const types: Row<'resourceType'>[] = []
  for (const slug of parsed.types) types.push(await getTypeNamed(db, slug))
  const tree = await readTypeTree(db)
  for (const [index, type] of types.entries()) {
    const above = types[index - 1]
    if (!above) continue
    if (above.instances === 'open')
      refuse(
        `Ids of ${quote(above.slug)} are not registered, so it can only be the last of a resource template.`,
      )
    if (above.id === type.id || !tree.typesWithin(above.id).has(type.id))
      refuse(`A resource of type ${quote(type.slug)} never lies below one of type ${quote(above.slug)}.`)
  }
  const last = types.at(-1)
  if (!last || tree.typesWithin(permission.typeId).has(last.id)) return
  const type = tree.slugOf(permission.typeId)
  refuse(
    `The permission ${quote(permission.slug)} is one on ${quote(type)}: nobody can hold it on a resource of type ${quote(last.slug)}.`,
  )
}

async function getTypeNamed(db: Db, slug: string): Promise<Row<'resourceType'>> {
  const found = await getResourceType(db, slug).catch((cause: unknown) => {
    if (!(cause instanceof AppError) || cause.code !== 'not_found') throw cause
    return refuse(cause.message)
  })
  return found.slug === slug ? found : refuse(`A resource template names types by their names, not by id.`)
}

function refuse(sentence: string): never {
  throw new AppError('policy.invalid', sentence, { path: 'resource' })
}
