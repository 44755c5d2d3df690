import { AppError, isId } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Row } from '../fact-of.ts'
import { getServer, quote } from '../reference.ts'

/** A rule by its id, or as `SERVER/TOOL`. */
export async function locateTool(db: Db, ref: string): Promise<Row<'tool'>> {
  const [server = '', ...rest] = ref.split('/')
  const rules = db.selectFrom('tool').selectAll()
  const found = isId(ref, 'tool')
    ? await rules.where('id', '=', ref).executeTakeFirst()
    : rest.length > 0
      ? await rules
          .where('serverId', '=', (await getServer(db, server)).id)
          .where('kind', '=', 'tool')
          .where('name', '=', rest.join('/'))
          .executeTakeFirst()
      : undefined
  if (!found)
    throw new AppError('not_found', `No rule ${quote(ref)}. Name it by its id, or as "SERVER/TOOL".`)
  return found
}
