/**
 * The program that the official suite drives as a client: an agent of ours on the official MCP client. The suite names the
 * scenario and what it knows in the environment, and the server as the last argument.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  type AgentOptions,
  createAgent,
  describeServer,
  registerClient,
  type Tokens,
  type UserOptions,
} from '@valetkey/sdk/agent'
import { exportJWK, importPKCS8 } from 'jose'

const url = process.argv.at(-1) ?? ''
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Record<string, string>
const modern = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28'

const server = await describeServer(url)
const [issuer = ''] = server.issuers
const resource = server.resource

/** Who the agent is to this authority: what the suite gave it, else how it registers itself. */
async function identity(): Promise<AgentOptions> {
  const { client_id: clientId = '', client_secret: secret, private_key_pem: pem, valid_jwt: word } = context
  if (secret !== undefined) return { issuer, clientId, secret }
  if (word !== undefined) return { issuer, workload: async () => word }
  if (pem !== undefined)
    return { issuer, clientId, key: await exportJWK(await importPKCS8(pem, 'ES256', { extractable: true })) }
  if (scenario === 'auth/basic-cimd') return { issuer, clientId: CLIENT_DOCUMENT, isPublic: true }
  return registerClient({ issuer, name: 'Conformance' })
}

/** Where the suite keeps the document that a client is known by. */
const CLIENT_DOCUMENT = 'https://conformance-test.local/client-metadata.json'

async function act(): Promise<Tokens> {
  const agent = createAgent(await identity())
  if (/^auth\/(client-credentials|wif)/.test(scenario)) return agent
  return agent.forUser({ resource, offline: true, by: await answering() })
}

/** A person whose browser follows where it is sent, or who has signed in at the organization's identity provider. */
async function answering(): Promise<UserOptions['by']> {
  const { idp_id_token: idToken, idp_token_endpoint: tokenEndpoint, idp_client_id: clientId } = context
  if (idToken !== undefined && tokenEndpoint !== undefined && clientId !== undefined)
    return { identityProvider: { tokenEndpoint, clientId }, idToken: async () => idToken }
  return {
    browser: async address => {
      const response = await fetch(address)
      await response.body?.cancel()
    },
  }
}

const tokens = await act()
const client = new Client(
  { name: 'valetkey-agent', version: '1.0.0' },
  modern ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {},
)
await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: tokens.fetch(resource) }))
await client.listTools()
await client.callTool({ name: 'test-tool', arguments: {} })
await client.close()
