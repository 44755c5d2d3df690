import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { noteRefusal, type RefusalOptions } from './refusals.ts'

/**
 * Takes over an endpoint once oidc-provider has found out who asks: it keeps no list of the tokens that are issued here, so that it
 * knows nothing of what it is asked about, and refuses every JWT as such (`unsupported_token_type`).
 */
export function answerOnceAuthenticated(
  provider: Provider,
  route: 'revocation' | 'introspection',
  options: RefusalOptions,
  answer: (ctx: KoaContext) => Promise<unknown>,
): void {
  provider.use(async (ctx, next) => {
    await next()
    if (ctx.oidc.route !== route) return
    if (ctx.status !== 200 && errorOf(ctx.body) !== 'unsupported_token_type') return
    try {
      const body = await answer(ctx)
      ctx.status = 200
      ctx.body = body
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error
      ctx.status = error.statusCode
      ctx.body = { error: error.error, error_description: error.error_description }
      noteRefusal(options, ctx, error)
    }
  })
}

function errorOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
}
