import { AppError, ROOT_TYPE } from '@valetkey/sdk/core'
import type { Row } from '../fact-of.ts'
import { quote } from '../reference.ts'
import type { ResourceRow } from './resource-tree.ts'
import type { TypeTree } from './type-tree.ts'

/** Characters that nobody sees, beside those that the contract refuses. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u

/** Resources of some types cannot be registered. */
export function refuseUnregistrable({ slug, id, instances }: Row<'resourceType'>): void {
  if (id === ROOT_TYPE)
    throw new AppError('request.invalid', 'The resource of an organization is made with it.', {
      path: 'type',
    })
  if (instances === 'open')
    throw new AppError(
      'request.invalid',
      `Ids of ${quote(slug)} are not registered: any id names one, below the resource that it is named under.`,
      { path: 'type' },
    )
}

/** An id is compared character by character, so what looks the same has to be written the same (Unicode form C). */
export function refuseExternalId(id: string): void {
  if (id.normalize('NFC') !== id)
    throw new AppError('request.invalid', `Write the id ${quote(id)} in Unicode normal form C.`, {
      path: 'id',
    })
  if (INVISIBLE.test(id))
    throw new AppError('request.invalid', `The id ${quote(id)} holds an invisible character.`, { path: 'id' })
}

/** A resource lies directly below one of a type that its own type names as a parent. */
export function refuseMisplaced(
  tree: TypeTree,
  type: Pick<Row<'resourceType'>, 'id' | 'slug'>,
  parent: Pick<ResourceRow, 'typeId'>,
): void {
  const parents = tree.parentsOf(type.id)
  if (parents.includes(parent.typeId)) return
  const allowed = parents.map(tree.slugOf).sort().join(' or ')
  throw new AppError(
    'resource.misplaced',
    `A resource of type ${quote(type.slug)} lies directly below ${allowed}, not below ${tree.slugOf(parent.typeId)}.`,
    { path: 'parent' },
  )
}
