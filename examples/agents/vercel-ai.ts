// An agent on the Vercel AI SDK: its MCP client takes our fetch.
import { createMCPClient } from '@ai-sdk/mcp'
import { generateText, isStepCount } from 'ai'
import { agent, billing } from './identity.ts'
import { createScriptedModel } from './scripted-model.ts'

const mcp = await createMCPClient({ transport: { type: 'http', url: billing, fetch: agent.fetch(billing) } })
const { text } = await generateText({
  model: createScriptedModel(),
  tools: await mcp.tools(),
  stopWhen: isStepCount(5),
  prompt: 'What do we know of these invoices?',
})
console.log(text)
await mcp.close()
