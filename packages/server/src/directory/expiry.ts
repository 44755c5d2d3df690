import { AppError, isoTime } from '@valetkey/sdk/core'
import type { Context } from './context.ts'

/** When something ends, as it is stored; an end that lies behind us is refused. `thing` begins the sentence. */
export function futureTime(ctx: Context, thing: string, expiresAt: string | null): string | null {
  if (expiresAt === null) return null
  const at = Date.parse(expiresAt)
  if (at > ctx.now()) return isoTime(at)
  throw new AppError('request.invalid', `${thing} would have ended already.`, { path: 'expiresAt' })
}
