import { AppError } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import { type Answer, evaluate } from './evaluate.ts'
import { type Batch, Evaluation, read, type Semantic } from './request.ts'
import { openScene } from './scene.ts'

/** One question, on the newest facts. */
export function answerOne(
  ctx: directory.Context,
  organization: string,
  evaluation: Evaluation,
): Promise<Answer> {
  const { consistency } = evaluation.context
  return directory.withIndex(ctx, { organization, consistency: consistency ?? undefined }, async standing => {
    const scene = await openScene(ctx, standing, [evaluation], [evaluation])
    return evaluate(scene, evaluation)
  })
}

/**
 * Many questions on the same facts, in their order (AuthZEN 1.0 §6). A question that cannot be read is answered with no,
 * and says why; the others are answered all the same.
 */
export function answerMany(
  ctx: directory.Context,
  organization: string,
  batch: Batch,
): Promise<{ evaluations: Answer[] }> {
  const { consistency } = batch.context
  const semantic = batch.options?.evaluations_semantic ?? 'execute_all'
  return directory.withIndex(ctx, { organization, consistency: consistency ?? undefined }, async standing => {
    const entries = (batch.evaluations ?? []).map(entry => complete(batch, entry))
    const readable = entries.filter((entry): entry is Evaluation => !(entry instanceof AppError))
    const scene = await openScene(ctx, standing, readable, readable)
    const answers: Answer[] = []
    for (const entry of entries) {
      const answer = entry instanceof AppError ? unreadable(entry) : evaluate(scene, entry)
      answers.push(answer)
      if (ends(semantic, answer)) break
    }
    return { evaluations: answers }
  })
}

function ends(semantic: Semantic, { decision }: Answer): boolean {
  if (semantic === 'execute_all') return false
  return decision === (semantic === 'permit_on_first_permit')
}

/** How an entity is named: what an entry leaves out of that is taken from the default. Nothing else ever is. */
const NAMES = { subject: ['type', 'id'], action: ['name'], resource: ['type', 'id'] } as const

/** An entry with the defaults of its batch. An entity of its own replaces the default's whole, properties and all. */
function complete(batch: Batch, entry: unknown): Evaluation | AppError {
  if (!isObject(entry)) return new AppError('request.invalid', 'An evaluation must be an object.')
  const whole: Record<string, unknown> = { context: entry['context'] ?? batch.context }
  for (const [key, names] of Object.entries(NAMES)) {
    const own = entry[key] ?? batch[key as keyof typeof NAMES]
    const fallback = batch[key as keyof typeof NAMES]
    whole[key] = isObject(own) ? { ...pick(fallback, names), ...own } : own
  }
  try {
    return read(Evaluation, whole)
  } catch (cause) {
    if (cause instanceof AppError) return cause
    throw cause
  }
}

function pick(from: Record<string, unknown> | null | undefined, keys: readonly string[]) {
  return Object.fromEntries(keys.filter(key => from?.[key] !== undefined).map(key => [key, from?.[key]]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable({ status, message }: AppError): Answer {
  return { decision: false, context: { error: { status, message } } }
}
