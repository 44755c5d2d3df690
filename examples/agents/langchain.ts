// An agent on LangChain: its adapter takes an MCP client, whose transport takes our fetch.
import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
import { loadMcpTools } from '@langchain/mcp-adapters'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { agent, billing } from './identity.ts'
import { createScript } from './script.ts'

class ScriptedModel extends BaseChatModel {
  readonly next = createScript()
  override _llmType() {
    return 'scripted'
  }
  override bindTools() {
    return this
  }
  override async _generate(messages: BaseMessage[]) {
    const turn = this.next(messages.filter(({ type }) => type === 'tool').map(({ content }) => content))
    const message =
      'text' in turn
        ? new AIMessage(turn.text)
        : new AIMessage({
            content: '',
            tool_calls: [{ ...turn.call, args: turn.call.input, type: 'tool_call' }],
          })
    return { generations: [{ text: '', message }] }
  }
}

const client = new Client({ name: 'helper', version: '1.0.0' })
await client.connect(
  new StreamableHTTPClientTransport(new URL(billing), { fetch: agent.fetch(billing) }) as never,
)
const helper = createReactAgent({
  llm: new ScriptedModel({}),
  tools: await loadMcpTools('billing', client),
})
const { messages } = await helper.invoke({ messages: [['user', 'What do we know of these invoices?']] })
console.log(messages.at(-1)?.content)
await client.close()
