// An agent on the OpenAI Agents SDK: its MCP server takes our fetch.
import {
  Agent,
  MCPServerStreamableHttp,
  type Model,
  type ModelResponse,
  Runner,
  setTracingDisabled,
  Usage,
} from '@openai/agents-core'
import { agent, billing } from './identity.ts'
import { createScript } from './script.ts'

setTracingDisabled(true)
const next = createScript()
const model: Model = {
  async getResponse({ input }): Promise<ModelResponse> {
    const told = Array.isArray(input) ? input.filter(item => item.type === 'function_call_result') : []
    const turn = next(told)
    const output: ModelResponse['output'] = [
      'text' in turn
        ? {
            type: 'message',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: turn.text }],
          }
        : {
            ...{ type: 'function_call', callId: turn.call.id, name: turn.call.name, status: 'completed' },
            arguments: JSON.stringify(turn.call.input),
          },
    ]
    return { usage: new Usage(), output }
  },
  getStreamedResponse() {
    throw new Error('The script does not stream.')
  },
}

const server = new MCPServerStreamableHttp({ url: billing, fetch: agent.fetch(billing) })
await server.connect()
const helper = new Agent({ name: 'Helper', model, mcpServers: [server] })
const { finalOutput } = await new Runner().run(helper, 'What do we know of these invoices?')
console.log(finalOutput)
await server.close()
