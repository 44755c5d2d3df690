import { AppError } from '@valetkey/sdk/core'

/** Says of whatever goes wrong beneath that the evidence is not available: the disk, the thread, the database. */
export async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new AppError('audit.unavailable', 'The audit store does not answer.', { cause })
  }
}
