import { AppError } from '../../core/index.ts'
import type { Asking } from '../ask.ts'
import { describeServer } from '../describe-server.ts'
import { type Ask, createSource, type Source } from '../source.ts'
import { createStanding, Halted, type Standing } from '../standing.ts'
import { type Issued, requestBy, type Token } from '../token-request.ts'
import { askByBackchannel, type ByBackchannel } from './backchannel.ts'
import { type Asked, askInBrowser, type ByBrowser } from './browser.ts'
import { askByDevice, type ByDevice } from './device.ts'
import { askIdentityProvider, type ByIdentityProvider } from './identity-provider.ts'

/** How the person answers. */
export type By = ByBrowser | ByDevice | ByBackchannel | ByIdentityProvider

/** What the person is asked to let the agent do. */
export interface UserOptions {
  /** The URL of the MCP server. */
  resource: string
  /** Scopes, separated by spaces; all that the server has, where it is left out. The person may give less. */
  scope?: string
  by: By
  /** Whether the agent may come back later without the person. */
  offline?: boolean
  /** Stops waiting for the person. */
  signal?: AbortSignal
}

const OFFLINE = 'offline_access'

/** Asks the person, and keeps acting for them for as long as they let it. */
export async function openUserSource(
  options: UserOptions,
  given: { ask: Ask; above: Standing; now(): number; isBound: boolean },
): Promise<Source> {
  const { resource } = options
  const { ask, now, isBound } = given
  const standing = createStanding(now, given.above)
  let asked = scopesOf(options.scope)
  if (options.scope === undefined) asked = await scopesAt(resource, await ask(false))
  let refreshToken: string | undefined
  let widening: Promise<boolean> | undefined
  /** Refresh tokens change with each use. */
  const inTurn = createTurns()

  function keep(issued: Issued): Token {
    refreshToken = issued.refreshToken ?? refreshToken
    return issued.token
  }

  async function again(asking: Asking): Promise<Token> {
    // RFC 9449 §5: what else would show that whoever comes with the refresh token is the same program?
    if ('isPublic' in asking.proof && isBound && !asking.prover)
      throw new AppError('request.invalid', 'This program has tokens bound to its key only: call by fetch.')
    if (refreshToken !== undefined)
      return keep(
        await requestBy(asking, { grant_type: 'refresh_token', refresh_token: refreshToken, resource }),
      )
    if ('identityProvider' in options.by) return keep(await obtain(asking, options, asked))
    throw new Halted(
      'The token for the person has ended, and the agent may not come back without them: ask again.',
    )
  }

  async function askForMore(scope: string): Promise<boolean> {
    const wanted = [...new Set([...asked, ...scopesOf(scope)])]
    if ('identityProvider' in options.by || wanted.length === asked.length) return false
    const token = keep(await obtain(await ask(isBound), options, wanted))
    asked = wanted
    source.put({ resource }, isBound, token)
    source.drop({ resource }, !isBound)
    return true
  }

  const source = createSource({
    ...{ ask, standing, now },
    request(asking, wanted) {
      if (wanted.resource !== resource)
        throw new AppError('request.invalid', `The person was asked for ${resource}, not ${wanted.resource}.`)
      return inTurn(() => again(asking))
    },
    widen(_, scope) {
      widening ??= inTurn(() => askForMore(scope)).finally(() => {
        widening = undefined
      })
      return widening
    },
  })
  source.put({ resource }, isBound, keep(await obtain(await ask(isBound), options, asked)))
  return source
}

function obtain(asking: Asking, options: UserOptions, scopes: readonly string[]): Promise<Issued> {
  const { by, resource, offline = false, signal = new AbortController().signal } = options
  const mayComeBack = offline && asking.authority.scopes.includes(OFFLINE)
  const scope = [...scopes, ...(mayComeBack ? [OFFLINE] : [])].join(' ') || undefined
  const asked: Asked = { resource, scope, signal }
  if ('browser' in by) return askInBrowser(asking, by, asked)
  if ('device' in by) return askByDevice(asking, by, asked)
  if ('person' in by) return askByBackchannel(asking, by, asked)
  return askIdentityProvider(asking, by, asked)
}

/** Does one piece of work at a time, in order; what fails does not hold up what comes after. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let turn: Promise<unknown> = Promise.resolve()
  return work => {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }
}

/** What the server says it takes, where it names the authority that is asked. */
async function scopesAt(resource: string, { authority, fetch }: Asking): Promise<string[]> {
  const { issuers, scope } = await describeServer(resource, fetch)
  if (!issuers.includes(authority.issuer))
    throw new AppError('config.invalid', `${resource} does not take tokens of ${authority.issuer}.`)
  return scopesOf(scope)
}

function scopesOf(text = ''): string[] {
  return text.split(' ').filter(Boolean)
}
