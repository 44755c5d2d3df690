import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../../packages/server/src/gateway/index.ts'
import type { Identity } from './identity.ts'
import type { Rules } from './northwind.ts'
import type { World } from './world.ts'

/** A gateway before somebody else's MCP server, with an agent that may use what the rules say. */
export interface GatewayStage extends AsyncDisposable {
  /** What callers use: registered, and the audience of tokens. */
  url: string
  gateway: Gateway
  bot: Identity
  /** A token of the agent for this server. */
  token: string
  log: string[]
  /** A folder with the same keys and another spool: a second process that is the same enforcement point. */
  copyOfKeys(): Promise<string>
}

export interface StageOptions {
  name: string
  upstream: string
  rules?: Rules
  /** Instead of the upstream, where that is down when it is mapped. */
  mapFrom?: string
  gateway?: Partial<GatewayOptions>
  onKey?(serverKey: string): void
}

/** Registers the upstream under a port of our own, maps it and starts the gateway there. */
export async function startGatewayStage(world: World, options: StageOptions): Promise<GatewayStage> {
  const { name, upstream, rules = {}, mapFrom = upstream } = options
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}${new URL(upstream).pathname}`
  const send = (request: Request) => fetch(new Request(mapFrom, request))
  const serverKey = await world.register({ name, url, send, rules })
  options.onKey?.(serverKey)
  const log: string[] = []
  const gateway = await startGateway({
    url: world.url,
    serverKey,
    upstream,
    listen: { host: '127.0.0.1', port },
    directory: join(world.directory, name),
    drainMs: 500,
    log: (message, fault) => void log.push(`${message} ${String(fault)}`),
    ...options.gateway,
  })
  const bot = await world.identify('support-bot')
  return {
    url,
    gateway,
    bot,
    token: await bot.token(url),
    log,
    async copyOfKeys() {
      const copy = join(world.directory, `${name}-copy`)
      await mkdir(copy)
      await copyFile(join(world.directory, name, 'point.json'), join(copy, 'point.json'))
      return copy
    },
    [Symbol.asyncDispose]: () => gateway.close(),
  }
}
