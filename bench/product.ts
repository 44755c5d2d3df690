import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import type { JsonObject } from '@valetkey/sdk/core'
import { readOffer, toDefinitions } from '@valetkey/sdk/guard'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import { type Child, startChild } from './child.ts'

/** An authority in its own process, with one agent that may use the invoices server. */
export interface Product {
  directory: string
  authority: Child<{ url: string; token: string }>
  api: Client<AdminApi>
  /** Where the server is reached, as it is registered; the port is free. */
  resource: string
  serverKey: string
  client: { id: string; secret: string }
  /** An access token for the resource. */
  token: string
  close(): Promise<void>
}

const OTHER_TOOLS = 500

/** Starts an authority on disk and registers a server that offers what `upstream` offers, among many other tools. */
export async function startProduct(upstream: string): Promise<Product> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  const [port, resourcePort] = await Promise.all([findFreePort(), findFreePort()])
  const authority = await startChild<{ url: string; token: string }>('authority', {
    directory: join(directory, 'authority'),
    port,
    // Benches that come from many addresses say so.
    settings: { trustedProxies: '127.0.0.1' },
  })
  const { url, token } = authority.ready
  const api = createClient(contract, { baseUrl: url, token: () => token })
  const resource = `http://127.0.0.1:${resourcePort}/mcp`
  await api.organizations.create({ slug: 'bench', name: 'Bench' })
  await api.policy.apply({ organization: 'bench', policy: await policyFor(resource, upstream) })
  const { key } = await api.serverKeys.create({ server: 'invoices', label: 'bench' })
  const { clientId, secret } = await api.credentials.create({ agent: 'bot', kind: 'secret', label: 'bench' })
  const client = { id: clientId, secret: secret ?? '' }
  return {
    directory,
    authority,
    api,
    resource,
    serverKey: key ?? '',
    client,
    token: await fetchToken(url, client, resource),
    async close() {
      await authority.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function policyFor(resource: string, upstream: string): Promise<JsonObject> {
  const offer = await readOffer({ url: upstream, send: request => fetch(request) })
  const [tool] = toDefinitions(offer)
  if (!tool) throw new Error('the upstream offers no tool')
  const rule = {
    needs: 'invoices:read',
    resource: 'customer/{args.customer}/invoice/{args.id}',
    risk: 'read',
    definition: tool.definition,
    input: tool.inputSchema,
  }
  const others = Array.from({ length: OTHER_TOOLS }, (_, i) => [`other_${i}`, rule])
  return {
    version: 1,
    organization: 'bench',
    people: { 'ada@bench.test': { name: 'Ada' } },
    resourceTypes: { customer: {}, invoice: { parents: ['customer'] } },
    resources: { 'customer/acme': {}, 'invoice/INV-1042': { parent: 'customer/acme' } },
    permissions: { 'invoices:read': { type: 'invoice', risk: 'read' } },
    roles: { reading: { permissions: ['invoices:read'] } },
    servers: {
      invoices: { url: resource, tools: { [tool.name]: rule, ...Object.fromEntries(others) } },
    },
    agents: { bot: { owner: 'ada@bench.test', ceiling: ['invoices:*'], roles: ['reading'] } },
  }
}

export function basicOf({ id, secret }: Product['client']): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

async function fetchToken(issuer: string, client: Product['client'], resource: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: basicOf(client) },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
  })
  const answer = (await response.json()) as { access_token?: string }
  if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`)
  return answer.access_token
}

/** A call as agents make it, of about the size that is usual. */
export function callFor(token: string): { headers: Record<string, string>; body: string } {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 0,
    method: 'tools/call',
    params: {
      name: 'get_invoice',
      arguments: {
        customer: 'acme',
        id: 'INV-1042',
        note: 'For the monthly report that Maya asked for. '.repeat(5),
      },
    },
  })
  return {
    body,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      'user-agent': 'bench/1.0',
      authorization: `Bearer ${token}`,
    },
  }
}
