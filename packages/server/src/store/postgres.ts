import { AppError } from '@valetkey/sdk/core'
import type { SecretBox } from './secret-box.ts'
import type { Store } from './store.ts'

export async function openPostgres(_url: string, _secrets: SecretBox): Promise<Store> {
  throw new AppError('config.invalid', 'PostgreSQL is not built yet.')
}
