import type { Context, Row } from '../../directory/index.ts'
import type { Db } from '../../store/index.ts'
import type { Schema } from './attributes.ts'
import type { Part } from './value.ts'

/** Whose directory it is that asks. */
export type Token = Pick<Row<'scimToken'>, 'id' | 'organizationId' | 'providerId' | 'name'> & { slug: string }

/** A resource as it stands, without what only its address says. */
export interface Stored {
  id: string
  resource: Part
  createdAt: string
  updatedAt: string
}

/** People or groups: how SCIM finds and writes them. Everything is of the token's organization. */
export interface Kind {
  schema: Schema
  /** The attribute that takes the longest to read: it is read where somebody asks for it. */
  late: string
  find(db: Db, token: Token, id: string): Promise<Stored | undefined>
  /** In the order of ids, from behind one on. */
  page(db: Db, token: Token, from: { after?: string; skip?: number; limit: number }): Promise<Stored[]>
  count(db: Db, token: Token): Promise<number>
  /** What may be meant by a filter that says enough for the database; undefined where all have to be looked at. */
  lookUp(db: Db, token: Token, equal: ReadonlyMap<string, string>): Promise<Stored[] | undefined>
  /** Adds the late attribute: the members of groups, the groups of people. */
  complete(db: Db, token: Token, stored: readonly Stored[]): Promise<Stored[]>
  create(ctx: Context, token: Token, resource: Part): Promise<string>
  replace(ctx: Context, token: Token, id: string, change: (resource: Part) => Part): Promise<void>
  remove(ctx: Context, token: Token, id: string): Promise<void>
}
