/** The part of oidc-provider 9.13.3 that this module uses; the package ships no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface KoaContext {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    status: number
    body: unknown
    set(field: string, value: string): void
    get(field: string): string
    readonly oidc: {
      readonly route: string
      readonly client: OidcClient | undefined
      readonly params: Record<string, unknown>
      /** What the person answered. */
      readonly result?: { consent?: { grantId?: string } }
    }
  }

  export interface OidcClient {
    readonly clientId: string
    grantTypes: string[]
    backchannelTokenDeliveryMode: string
    readonly asymmetricKeyStore: ClientKeys
  }

  /** What client authentication asks of a client's keys. */
  export interface ClientKeys {
    selectForVerify(wanted: { alg?: string; kid?: string }): readonly object[]
    getKeyObject(key: object): unknown
    fresh(): boolean
  }

  export interface Adapter {
    upsert(id: string, payload: Record<string, unknown>, expiresInSeconds?: number): Promise<void>
    find(id: string): Promise<Record<string, unknown> | undefined>
    findByUid(uid: string): Promise<Record<string, unknown> | undefined>
    findByUserCode(userCode: string): Promise<Record<string, unknown> | undefined>
    consume(id: string): Promise<void>
    destroy(id: string): Promise<void>
    revokeByGrantId(grantId: string): Promise<void>
  }

  export type GrantHandler = (ctx: KoaContext) => Promise<void>

  /** A request that waits for a person. */
  export interface Interaction {
    readonly uid: string
    readonly iat: number
    readonly params: Record<string, string | undefined>
    readonly result?: object
    readonly returnTo: string
  }

  export interface Grant {
    addResourceScope(resource: string, scope: string): void
    addOIDCScope(scope: string): void
    save(seconds: number): Promise<string>
  }

  export namespace interactionPolicy {
    class Check {
      constructor(reason: string, description: string, check: (ctx: KoaContext) => boolean | Promise<boolean>)
    }
    class Prompt {
      constructor(info: { name: string; requestable: boolean }, ...checks: Check[])
      readonly checks: { clear(): void }
    }
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    static readonly ctx: KoaContext | undefined
    silent: boolean
    /** Believes `X-Forwarded-Proto`. */
    proxy: boolean
    readonly Client: {
      new (metadata: object): OidcClient
      prototype: { compareClientSecret(secret: string): boolean }
      find(id: unknown): Promise<OidcClient | undefined>
    }
    readonly Grant: new (payload: {
      jti: string
      accountId: string
      clientId: string
    }) => Grant
    readonly AuthorizationCode: { find(code: string): Promise<object | undefined> }
    interactionDetails(req: IncomingMessage, res: ServerResponse): Promise<Interaction>
    interactionResult(
      req: IncomingMessage,
      res: ServerResponse,
      result: object,
      options: { mergeWithLastSubmission: boolean },
    ): Promise<string>
    readonly ReplayDetection: { unique(issuer: string, jti: string, expiresAt: number): Promise<boolean> }
    readonly OIDCContext: { prototype: { clientJwtAuthExpectedAudience(): Set<string> } }
    registerGrantType(
      name: string,
      handler: GrantHandler,
      parameters: readonly string[],
      repeatable: readonly string[],
    ): void
    use(middleware: (ctx: KoaContext, next: () => Promise<void>) => Promise<void>): this
    on(event: 'error', listener: (error: unknown) => void): this
    on(event: string, listener: (ctx: KoaContext, error: errors.OIDCProviderError) => void): this
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  }

  export namespace errors {
    class OIDCProviderError extends Error {
      error: string
      error_description?: string
      error_detail?: string
      status: number
      statusCode: number
    }
    class AccessDenied extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class AuthorizationPending extends OIDCProviderError {}
    class SlowDown extends OIDCProviderError {}
    class ExpiredToken extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class InvalidBindingMessage extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class InvalidClientAuth extends OIDCProviderError {
      constructor(detail?: string)
    }
    class InvalidDpopProof extends OIDCProviderError {
      constructor(description: string)
    }
    class UseDpopNonce extends OIDCProviderError {
      constructor(description: string)
    }
    class SessionNotFound extends OIDCProviderError {}
    class InvalidGrant extends OIDCProviderError {
      constructor(detail?: string)
    }
    class InvalidRequest extends OIDCProviderError {
      constructor(description?: string, status?: number, detail?: string)
    }
    class InvalidAuthorizationDetails extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class InvalidScope extends OIDCProviderError {
      constructor(description: string, scope?: string, detail?: string)
    }
    class InvalidTarget extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class UnauthorizedClient extends OIDCProviderError {
      constructor(description?: string, detail?: string)
    }
    class TemporarilyUnavailable extends OIDCProviderError {
      constructor(description?: string, detail?: string | { cause: unknown })
    }
  }
}
