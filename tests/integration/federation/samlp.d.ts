/** The part of samlp 8.0.0 that the tests use; the package ships no types. */
declare module 'samlp' {
  import type { RequestHandler } from 'express'

  export interface Claims {
    getClaims(): Record<string, string | string[]>
    getNameIdentifier(): { nameIdentifier: string; nameIdentifierFormat?: string }
  }
  export interface ResponseOptions {
    issuer: string
    key: string
    cert: string
    audience?: string | undefined
    recipient?: string | undefined
    destination?: string | undefined
    inResponseTo?: string | undefined
    lifetimeInSeconds?: number
    signAssertion?: boolean
    signResponse?: boolean
    signatureAlgorithm?: string
    digestAlgorithm?: string
    sessionIndex?: string
    authnContextClassRef?: string
    profileMapper: (user: never) => Claims
  }
  export function getSamlResponse(
    options: ResponseOptions,
    user: object,
    callback: (error: Error | null, xml: string) => void,
  ): void
  export function auth(
    options: ResponseOptions & {
      getPostURL: (
        audience: string,
        request: unknown,
        req: unknown,
        callback: (error: null, url: string) => void,
      ) => void
      getUserFromRequest: () => object | undefined
    },
  ): RequestHandler
  export function logout(options: object): RequestHandler
}
