// The script as a model of the AI SDK.
import { MockLanguageModelV4 } from 'ai/test'
import { createScript } from './script.ts'

const NONE = { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 }
const USAGE = { inputTokens: NONE, outputTokens: { total: 0, text: 0, reasoning: 0 } }

type Mock = ConstructorParameters<typeof MockLanguageModelV4>[0]
type Generate = Extract<NonNullable<NonNullable<Mock>['doGenerate']>, (...args: never[]) => unknown>

export function createScriptedModel(tool?: string): MockLanguageModelV4 {
  const next = createScript(tool)
  const doGenerate: Generate = async ({ prompt }) => {
    const turn = next(prompt.filter(({ role }) => role === 'tool'))
    return {
      content: [
        'text' in turn
          ? { type: 'text', text: turn.text }
          : {
              ...{ type: 'tool-call', toolCallId: turn.call.id, toolName: turn.call.name },
              input: JSON.stringify(turn.call.input),
            },
      ],
      finishReason: { unified: 'text' in turn ? 'stop' : 'tool-calls', raw: undefined },
      usage: USAGE,
      warnings: [],
    }
  }
  return new MockLanguageModelV4({ doGenerate })
}
