import { AppError } from '@valetkey/sdk/core'
import { violation } from '../store/index.ts'

/** Says in words that a thing exists already; the database decides, so two creators cannot both win. */
export async function refuseDuplicate<T>(insert: Promise<T>, sentence: string): Promise<T> {
  try {
    return await insert
  } catch (cause) {
    if (violation(cause) === 'unique') throw new AppError('conflict.exists', sentence, { cause })
    throw cause
  }
}
