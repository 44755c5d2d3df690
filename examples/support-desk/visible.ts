import type { Filter } from '@valetkey/sdk/guard'

/**
 * What a caller may see as a condition for a query. `columns` says which column holds the id of which type: a ticket is
 * seen by who may see it, or the customer it belongs to. `all` is all of the caller's organization, so a query asks for
 * the tenant besides.
 */
export function visible({ all, roots }: Filter, columns: Record<string, string>) {
  const types = Object.keys(columns)
  const conditions = types.map(type => `${columns[type]} in (select value from json_each(@${type}_roots))`)
  const ids = (type: string) => JSON.stringify(roots.filter(root => root.type === type).map(({ id }) => id))
  return {
    where: all ? 'true' : `(${conditions.join(' or ')})`,
    values: Object.fromEntries(types.map(type => [`${type}_roots`, ids(type)])),
  }
}
