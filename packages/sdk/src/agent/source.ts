import type { AppError } from '../core/index.ts'
import type { Asking } from './ask.ts'
import type { Standing } from './standing.ts'
import { createTokenCache } from './token-cache.ts'
import type { Token, Wanted } from './token-request.ts'

/** One way of acting: what its tokens are, and whether they may still be had. */
export interface Source {
  readonly standing: Standing
  /** A token that is good now, bound to the agent's key or for whoever bears it. */
  get(wanted: Wanted, isBound: boolean): Promise<Token>
  put(wanted: Wanted, isBound: boolean, token: Token): void
  drop(wanted: Wanted, isBound: boolean, token?: Token): void
  /** Says for a while that there is none, because what was given is not taken. */
  refuse(wanted: Wanted, isBound: boolean, error: AppError): void
  /** Gets more scopes where somebody can be asked for them; false where nobody can. */
  widen(wanted: Wanted, scope: string): Promise<boolean>
}

/** How the agent asks; `isBound` where its key is to be proven. */
export type Ask = (isBound: boolean) => Promise<Asking>

/** Keeps the tokens of one way of acting. */
export function createSource(options: {
  ask: Ask
  request(asking: Asking, wanted: Wanted): Promise<Token>
  standing: Standing
  now(): number
  widen?(wanted: Wanted, scope: string): Promise<boolean>
}): Source {
  const { ask, request, standing, now, widen = async () => false } = options
  const cache = createTokenCache(
    async key => {
      const [isBound, wanted] = JSON.parse(key) as [boolean, Wanted]
      return request(await ask(isBound), wanted)
    },
    now,
    standing,
  )
  return {
    standing,
    get: (wanted, isBound) => cache.get(keyOf(wanted, isBound)),
    put: (wanted, isBound, token) => cache.put(keyOf(wanted, isBound), token),
    drop: (wanted, isBound, token) => cache.drop(keyOf(wanted, isBound), token?.value),
    refuse: (wanted, isBound, error) => cache.refuse(keyOf(wanted, isBound), error),
    widen,
  }
}

const keyOf = ({ resource, scope, grant, delegation }: Wanted, isBound: boolean) =>
  JSON.stringify([isBound, { resource, scope, grant, delegation }])
