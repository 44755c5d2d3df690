import { AppError, type JsonObject } from '@valetkey/sdk/core'
import * as z from 'zod'

/**
 * What a caller of the PDP sends (AuthZEN 1.0 §5 to §8). Members that are not known are left out, as the specification
 * asks; a `null` where something optional may stand counts as absent.
 */

const Text = z.string().min(1).max(1024)
const Properties = z
  .record(z.string(), z.custom<JsonObject[string]>())
  .nullish()
  .transform(properties => properties ?? {})
const Searched = z.object({ type: Text, properties: Properties })
const Entity = Searched.extend({ id: Text })
const Action = z.object({ name: Text, properties: Properties })
const RequestContext = z
  .looseObject({
    /** The agent that acts for the subject: its id, its name, or its client id. */
    agent: z.string().min(1).max(400).nullish(),
    /** How fresh the answer must be: `strong`, `local` or a revision token. */
    consistency: z.string().max(200).nullish(),
  })
  .nullish()
  .transform(context => context ?? {})
const Page = z
  .object({
    token: z.string().max(500).nullish(),
    limit: z.number().int().min(1).nullish(),
  })
  .nullish()
  .transform(page => ({ token: page?.token || undefined, limit: Math.min(page?.limit ?? 100, 1000) }))

export const Evaluation = z.object({
  subject: Entity,
  action: Action,
  resource: Entity,
  context: RequestContext,
})
export type Evaluation = z.infer<typeof Evaluation>

export const SubjectSearch = Evaluation.extend({ subject: Searched, page: Page })
export const ResourceSearch = Evaluation.extend({ resource: Searched, page: Page })
export const ActionSearch = Evaluation.omit({ action: true }).extend({ page: Page })
export type SubjectSearch = z.infer<typeof SubjectSearch>
export type ResourceSearch = z.infer<typeof ResourceSearch>
export type ActionSearch = z.infer<typeof ActionSearch>

const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const
export type Semantic = (typeof SEMANTICS)[number]

/** The defaults that a batch names, and its entries as they came: each is looked at by itself. */
export const Batch = z.object({
  subject: z.record(z.string(), z.unknown()).nullish(),
  action: z.record(z.string(), z.unknown()).nullish(),
  resource: z.record(z.string(), z.unknown()).nullish(),
  context: RequestContext,
  evaluations: z.array(z.unknown()).max(10_000).nullish(),
  options: z.looseObject({ evaluations_semantic: z.enum(SEMANTICS).nullish() }).nullish(),
})
export type Batch = z.infer<typeof Batch>

/** What a condition sees of the context: all of it, as it came. */
export function toJson({ context }: Pick<Evaluation, 'context'>): JsonObject {
  return context as JsonObject
}

/** Reads a body, or throws with a sentence that says what is wrong with it and where. */
export function read<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const path = issue?.path.map(String).join('.').slice(0, 200) ?? ''
  const what = path === '' ? 'The body' : `"${path}"`
  throw new AppError('request.invalid', `${what}: ${issue?.message ?? 'not as it should be'}.`)
}
