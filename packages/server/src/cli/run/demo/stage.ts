import { createServer } from 'node:http'
import { join } from 'node:path'
import { Client, PrivateKeyJwtProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { generateAgentKey } from '@valetkey/sdk/agent'
import {
  type AdminApi,
  type Client as ApiClient,
  api as contract,
  createClient,
  shapes,
} from '@valetkey/sdk/contract'
import { createGuard, readOffer } from '@valetkey/sdk/guard'
import { startGateway } from '../../../gateway/index.ts'
import { createBillingHandler } from './billing.ts'
import { seedContoso } from './contoso.ts'
import { findFreePort, startFilesServer } from './files.ts'
import { seedNorthwind } from './northwind.ts'

/** An authority that stands, and an API token for it. */
export interface Stage {
  url: string
  token: string
  directory: string
  /** Where the person answers in a browser; otherwise the answer is scripted. */
  askSomebody?: AskSomebody | undefined
}

export type Closer = () => void | Promise<void>

/** An agent of the demo: it connects as itself, with a token for each server. */
export interface Agent {
  connect(url: string): Promise<Client>
  /** The token that it holds for a server. */
  tokenFor(url: string): string
  key: KeptKey
}

/** What an agent proves itself by. */
export interface KeptKey {
  clientId: string
  privateKey: Awaited<ReturnType<typeof generateAgentKey>>['privateKey']
  issuer: string
}

/** Told where to answer, and as whom, where somebody answers in a browser of their own. */
export type AskSomebody = (ask: { url: URL; email: string; password: string }) => void

/** Everybody who acts in the demo. */
export interface Cast {
  api: ApiClient<AdminApi>
  billing: string
  files: { url: string; folder: string }
  supportBot: Agent
  analyst: Agent
  contosoBot: Agent
  askSomebody: AskSomebody | undefined
}

/** Puts up the servers, the guard and the gateway, two organizations and their agents. */
export async function setTheStage(stage: Stage, closers: Closer[]): Promise<Cast> {
  const api = createClient(contract, { baseUrl: stage.url, token: () => stage.token })
  const handler = createBillingHandler()
  const [billingPort, gatewayPort, files] = await Promise.all([
    findFreePort(),
    findFreePort(),
    startFilesServer(stage.directory),
  ])
  closers.push(files.close)
  const billing = `http://127.0.0.1:${billingPort}/mcp`
  const gateway = `http://127.0.0.1:${gatewayPort}/mcp`
  const offer = await readOffer({ url: billing, send: request => handler.fetch(request) })
  await seedNorthwind(api, { billing: { url: billing, offer }, files: { url: gateway, offer: files.offer } })
  await seedContoso(api)
  await Promise.all([
    startBilling(stage, api, handler, billingPort, closers),
    startFilesGateway(stage, api, files.url, gatewayPort, closers),
  ])
  const hired = (organization: string, name: string) => hire(stage, api, { organization, name }, closers)
  return {
    api,
    billing,
    files: { url: gateway, folder: files.folder },
    supportBot: await hired('northwind', 'support-bot'),
    analyst: await hired('northwind', 'billing-analyst'),
    contosoBot: await hired('contoso', 'contoso-bot'),
    askSomebody: stage.askSomebody,
  }
}

/** The tenants' common server on the official SDK, with the guard in front. */
async function startBilling(
  stage: Stage,
  api: ApiClient<AdminApi>,
  handler: ReturnType<typeof createBillingHandler>,
  port: number,
  closers: Closer[],
): Promise<void> {
  const guard = createGuard({
    url: stage.url,
    serverKey: await keyOf(api, 'billing'),
    directory: join(stage.directory, 'billing'),
  })
  const server = createServer(guard.node(handler.fetch))
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  closers.push(async () => {
    server.close()
    server.closeAllConnections()
    await guard.close()
  })
  await guard.ready()
}

/** Somebody else's server, unmodified, behind the gateway. */
async function startFilesGateway(
  stage: Stage,
  api: ApiClient<AdminApi>,
  upstream: string,
  port: number,
  closers: Closer[],
): Promise<void> {
  const gateway = await startGateway({
    url: stage.url,
    serverKey: await keyOf(api, 'files'),
    upstream,
    listen: { host: '127.0.0.1', port },
    directory: join(stage.directory, 'files'),
  })
  closers.push(gateway.close)
}

async function keyOf(api: ApiClient<AdminApi>, server: string): Promise<string> {
  const { key } = await api.serverKeys.create({ server, label: 'demo' })
  return key ?? ''
}

/** Gives an agent a key of its own; the private part stays here, with the agent. */
async function hire(
  stage: Stage,
  api: ApiClient<AdminApi>,
  { organization, name }: { organization: string; name: string },
  closers: Closer[],
): Promise<Agent> {
  const { publicKey, privateKey } = await generateAgentKey()
  const publicJwk = shapes.PublicJwk.parse(publicKey)
  const { clientId } = await api.credentials.create({
    organization,
    agent: name,
    publicKey: publicJwk,
    label: 'demo',
  })
  const providers = new Map<string, PrivateKeyJwtProvider>()
  return {
    key: { clientId, privateKey, issuer: stage.url },
    tokenFor: url => providers.get(url)?.tokens()?.access_token ?? '',
    // As any agent does that knows the official SDK and nothing of us.
    async connect(url) {
      const authProvider = new PrivateKeyJwtProvider({
        clientId,
        privateKey: { ...privateKey },
        algorithm: 'ES256',
        clientName: name,
        expectedIssuer: stage.url,
      })
      const client = new Client({ name, version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }))
      closers.push(() => client.close())
      providers.set(url, authProvider)
      return client
    },
  }
}
