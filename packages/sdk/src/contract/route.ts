import type * as z from 'zod'

/** One operation of the admin API, as data. Server, client, command line and OpenAPI are all derived from it. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: `/${string}`
  summary: string
  /** What the caller's credential must carry, as `thing:read` or `thing:write`. */
  permission: string
  /** Takes an `Idempotency-Key`: the same key with the same request gives the first answer again. */
  idempotent?: true
  /** Takes a body of up to 16 MB; without, it may have 1 MB. */
  largeBody?: true
  /** Answers with text of this type as it is made, and not with JSON; `returns` is the stream. */
  streams?: string
  query?: z.ZodObject
  body?: z.ZodObject
  returns: z.ZodType
}

export type Api = Record<string, Record<string, Route>>

type ParamNames<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? Name
    : never
type Params<R extends Route> = [ParamNames<R['path']>] extends [never]
  ? unknown
  : { [K in ParamNames<R['path']>]: string }
type QueryIn<R extends Route> = R extends { query: infer Q extends z.ZodObject } ? z.input<Q> : unknown
type QueryOut<R extends Route> = R extends { query: infer Q extends z.ZodObject } ? z.output<Q> : unknown
type BodyIn<R extends Route> = R extends { body: infer B extends z.ZodObject } ? z.input<B> : unknown
type BodyOut<R extends Route> = R extends { body: infer B extends z.ZodObject } ? z.output<B> : unknown

/** What a caller passes: path, query and body fields in one flat object. */
export type Input<R extends Route> = Params<R> & QueryIn<R> & BodyIn<R>
/** What a handler receives: the same object after parsing. */
export type Parsed<R extends Route> = Params<R> & QueryOut<R> & BodyOut<R>
export type Output<R extends Route> = z.output<R['returns']>
