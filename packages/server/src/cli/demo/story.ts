import { createServer } from 'node:http'
import { join } from 'node:path'
import { Client, PrivateKeyJwtProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  type AdminApi,
  type Client as ApiClient,
  api as contract,
  createClient,
  shapes,
} from '@valetkey/sdk/contract'
import { createGuard, readOffer } from '@valetkey/sdk/guard'
import { exportJWK, generateKeyPair } from 'jose'
import { startGateway } from '../../gateway/index.ts'
import { createBillingHandler } from './billing.ts'
import { findFreePort, startFilesServer } from './files.ts'
import { seedNorthwind } from './northwind.ts'

/** One beat of the demo: what was tried, what came back, how long it took. */
export interface Step {
  step: number
  title: string
  /** HTTP status, or what the client understood. */
  status: number | 'permitted' | 'refused' | 'answered' | 'confirmed' | 'shut out'
  /** What a person reads. */
  text: string
  ms: number
}

export interface Story {
  steps: Step[]
  revocation: { confirmedMs: number; refusedMs: number; points: number }
  totalMs: number
}

/** An authority that stands, and an API token for it. */
export interface Stage {
  url: string
  token: string
  directory: string
  /** Told of each step as it happens. */
  onStep(step: Step): void
}

type Closer = () => void | Promise<void>

/** Lets real parties act: an agent is let in, refused, and shut out. */
export async function tellStory(stage: Stage): Promise<Story> {
  const startedAt = performance.now()
  const closers: Closer[] = []
  const steps: Step[] = []
  const tell = async (title: string, act: () => Promise<Omit<Step, 'step' | 'title' | 'ms'>>) => {
    const from = performance.now()
    const outcome = await act()
    const step = {
      step: steps.length + 1,
      title,
      ...outcome,
      ms: Math.round((performance.now() - from) * 10) / 10,
    }
    steps.push(step)
    stage.onStep(step)
  }
  try {
    const cast = await setTheStage(stage, closers)
    const revocation = await play(cast, tell)
    return { steps, revocation, totalMs: Math.round(performance.now() - startedAt) }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** An agent of the demo: it connects as itself, with a token for each server. */
interface Agent {
  connect(url: string): Promise<Client>
  /** The token that it holds for a server. */
  tokenFor(url: string): string
}

interface Cast {
  api: ApiClient<AdminApi>
  billing: string
  files: { url: string; folder: string }
  supportBot: Agent
  analyst: Agent
}

async function setTheStage(stage: Stage, closers: Closer[]): Promise<Cast> {
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
  await Promise.all([
    startBilling(stage, api, handler, billingPort, closers),
    startFilesGateway(stage, api, files.url, gatewayPort, closers),
  ])
  return {
    api,
    billing,
    files: { url: gateway, folder: files.folder },
    supportBot: await hire(stage, api, 'support-bot', closers),
    analyst: await hire(stage, api, 'billing-analyst', closers),
  }
}

/** Northwind's own server on the official SDK, with the guard in front. */
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
async function hire(stage: Stage, api: ApiClient<AdminApi>, name: string, closers: Closer[]): Promise<Agent> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = shapes.PublicJwk.parse(await exportJWK(publicKey))
  const { clientId } = await api.credentials.create({ agent: name, publicKey: publicJwk, label: 'demo' })
  const key = { ...(await exportJWK(privateKey)) }
  const providers = new Map<string, PrivateKeyJwtProvider>()
  return {
    tokenFor: url => providers.get(url)?.tokens()?.access_token ?? '',
    async connect(url) {
      const provider = new PrivateKeyJwtProvider({
        clientId,
        privateKey: key,
        algorithm: 'ES256',
        clientName: name,
        expectedIssuer: stage.url,
      })
      const client = new Client({ name, version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: provider }))
      providers.set(url, provider)
      closers.push(() => client.close())
      return client
    },
  }
}

type Tell = (title: string, act: () => Promise<Omit<Step, 'step' | 'title' | 'ms'>>) => Promise<void>

async function play(cast: Cast, tell: Tell): Promise<Story['revocation']> {
  const { api, billing, files, supportBot, analyst } = cast
  await tell('support-bot asks billing for its tools without a token', async () => {
    const response = await fetch(billing, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    })
    return { status: response.status, text: `WWW-Authenticate: ${response.headers.get('www-authenticate')}` }
  })
  const atBilling = await supportBot.connect(billing)
  await tell('support-bot proves itself with its own key and asks again', async () => {
    const { tools } = await atBilling.listTools()
    return { status: 'answered', text: `it may use ${tools.map(tool => tool.name).join(', ')}` }
  })
  const readInvoice = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
  await tell('get_invoice { customer: "acme", id: "INV-1042" }', () => call(atBilling, readInvoice))
  await tell('refund_invoice { customer: "acme", id: "INV-1042", amount: 120 }', () =>
    call(atBilling, { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 120 } }),
  )
  const atFiles = await supportBot.connect(files.url)
  await tell('read_text_file "handbook.txt", from the filesystem server behind the gateway', () =>
    call(atFiles, { name: 'read_text_file', arguments: { path: join(files.folder, 'handbook.txt') } }),
  )
  await tell('write_file "handbook.txt"', () =>
    call(atFiles, {
      name: 'write_file',
      arguments: { path: join(files.folder, 'handbook.txt'), content: 'hacked' },
    }),
  )
  await tell("Which agent touched acme's billing data today, and who authorized it?", async () => {
    const since = new Date(new Date().setUTCHours(0, 0, 0, 0)).toISOString()
    return { status: 'answered', text: await whoTouched(api, since) }
  })
  const revocation = await revokeAndCall(api, supportBot, billing, readInvoice, tell)
  const other = await analyst.connect(billing)
  await tell('billing-analyst, whom nobody revoked, goes on', () => call(other, readInvoice))
  return revocation
}

async function call(client: Client, request: { name: string; arguments: Record<string, unknown> }) {
  const result = await client.callTool(request)
  const content = (result.content as { type: string; text?: string }[] | undefined) ?? []
  const text = content
    .map(part => part.text ?? '')
    .join(' ')
    .trim()
  return { status: result.isError === true ? ('refused' as const) : ('permitted' as const), text }
}

/** Records arrive within a moment of the call; the answer is asked for until they are there. */
async function whoTouched(api: ApiClient<AdminApi>, since: string): Promise<string> {
  for (let round = 0; ; round++) {
    const { sentence, rows } = await api.audit.who({ resource: 'customer/acme', server: 'billing', since })
    const seen = rows.reduce((sum, row) => sum + row.permitted + row.refused, 0)
    if (seen >= 2 || round === 50) return sentence
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Takes the agent's keys away and shows that the token it still holds opens nothing. */
async function revokeAndCall(
  api: ApiClient<AdminApi>,
  agent: Agent,
  url: string,
  request: { name: string; arguments: Record<string, unknown> },
  tell: Tell,
): Promise<Story['revocation']> {
  const token = agent.tokenFor(url)
  const from = performance.now()
  let confirmedMs = 0
  let points = 0
  await tell('valetkey revoke agent support-bot --wait', async () => {
    const { barrier } = await api.revocations.create({
      kind: 'agent',
      id: 'support-bot',
      reason: 'demo',
      waitMs: 5_000,
    })
    const confirmed = barrier?.points.filter(point => point.outcome === 'confirmed').length ?? 0
    points = barrier?.points.length ?? 0
    confirmedMs = Math.round((barrier?.elapsedMs ?? 0) * 10) / 10
    return {
      status: 'confirmed',
      text: `${confirmed} of ${points} enforcement points confirmed in ${confirmedMs} ms`,
    }
  })
  let refusedMs = 0
  await tell('the same call with the token that was good a moment ago', async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: request }),
    })
    refusedMs = Math.round((performance.now() - from) * 10) / 10
    const { error } = (await response.json()) as { error?: { message: string } }
    return {
      status: response.status,
      text: `${error?.message ?? ''} ${refusedMs} ms after the word was given`,
    }
  })
  await tell('support-bot asks for a new token', async () => {
    try {
      await agent.connect(url)
      return { status: 'permitted', text: 'it should not have got one' }
    } catch (fault) {
      return { status: 'shut out', text: fault instanceof Error ? fault.message : String(fault) }
    }
  })
  return { confirmedMs, refusedMs, points }
}
