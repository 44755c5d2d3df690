import { AppError } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { LogState } from '../ledger.ts'
import type { Logs } from '../log/logs.ts'
import { findOrganization } from '../question/resolve.ts'

/** Names a log: that of an organization, or `environment` or `heads`; of its generations the newest. */
export interface LogQuery {
  organization?: string | undefined
  log?: 'environment' | 'heads' | undefined
  generation?: number | undefined
}

/** Finds the log that is meant. */
export async function findLog(logs: Logs, db: Db, query: LogQuery): Promise<LogState> {
  const { organization, log, generation } = query
  if ((organization === undefined) === (log === undefined))
    throw new AppError('request.invalid', 'Name an organization, or one of the logs environment and heads.', {
      path: 'organization',
    })
  const name = log ?? (await findOrganization(db, organization ?? ''))
  const all = (await logs.list()).filter(each => each.name === name)
  const found = generation === undefined ? all.at(-1) : all.find(each => each.generation === generation)
  if (!found) throw new AppError('not_found', 'There is no such log: nothing was recorded in it.')
  return found
}
