// An agent that uses one tool: node examples/support-desk/ask.ts KEY_FILE CLIENT_ID TOOL [ARGUMENTS]
import { readFileSync } from 'node:fs'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createAgent } from '@valetkey/sdk/agent'

const [keyFile = '', clientId = '', name = 'list_tickets', args = '{}'] = process.argv.slice(2)
const issuer = process.env['VALETKEY_URL'] ?? 'http://127.0.0.1:4600'
const desk = process.env['DESK_URL'] ?? 'http://127.0.0.1:8787/mcp'

const agent = createAgent({ issuer, clientId, key: JSON.parse(readFileSync(keyFile, 'utf8')) })
const client = new Client({ name: 'ask', version: '1.0.0' })
await client.connect(
  new StreamableHTTPClientTransport(new URL(desk), { authProvider: agent.authProvider(desk) }),
)
const { content } = await client.callTool({ name, arguments: JSON.parse(args) })
for (const part of content) if (part.type === 'text') console.log(part.text)
await client.close()
