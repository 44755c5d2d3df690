// An agent on Mastra: its MCP client takes our fetch.
import { Agent } from '@mastra/core/agent'
import { MCPClient } from '@mastra/mcp'
import { agent, billing } from './identity.ts'
import { createScriptedModel } from './scripted-model.ts'

const mcp = new MCPClient({ servers: { billing: { url: new URL(billing), fetch: agent.fetch(billing) } } })
const helper = new Agent({
  id: 'helper',
  name: 'Helper',
  instructions: 'Answer with what the tools say.',
  // Its types of a model are those of another release of the AI SDK.
  model: createScriptedModel('billing_get_invoice') as never,
  tools: await mcp.listTools(),
})
const { text } = await helper.generate('What do we know of these invoices?')
console.log(text)
await mcp.disconnect()
