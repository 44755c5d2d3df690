import type { Ask, Enter, SignInParts } from '../sign-in/parts.ts'
import { networkOf, type Try } from '../sign-in/sign-in-limit.ts'
import type { RemoteKeys } from './remote-keys.ts'

/** What signing in elsewhere rests on here. */
export interface FederationSite extends SignInParts {
  newReference(): string
  enter: Enter
  /** The keys of providers, as they publish them. */
  keysAt: RemoteKeys
}

/** What is not from a provider counts against the network that sent it. */
export function triesOf(site: FederationSite, c: Ask): Try[] {
  return [['provider', networkOf(site.addressOf(c.env.incoming))]]
}
