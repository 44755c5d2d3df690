import { openSigningKeys } from '../../packages/server/src/oauth/keys/signing-key.ts'
import type { World } from './world.ts'

/** Signs with the authority's own key what a token does not say. */
export interface TokenSigner {
  kid: string
  /** Signs a text that is put together by hand. */
  sign(text: string): string
  /** The token again, with other claims or another header. */
  change(token: string, claims: object, header?: object): string
}

export async function openTokenSigner(world: World): Promise<TokenSigner> {
  const [key] = await openSigningKeys(world.authority.store())
  if (!key) throw new Error('there is no key')
  return {
    kid: key.kid,
    sign: text => key.sign(text),
    change(token, claims, header = {}) {
      const text = [
        { alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header },
        { ...claimsOf(token), ...claims },
      ]
        .map(encode)
        .join('.')
      return `${text}.${key.sign(text)}`
    },
  }
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
