import { Environment, type ParseResult } from '@marcbachmann/cel-js'
import type { JsonObject, ToolFact } from '../core/index.ts'
import { compileArguments } from './arguments.ts'
import { compileTemplate } from './template.ts'

/** What a condition may look at. Times are CEL timestamps, `person` is the empty string where nobody authorized. */
export interface ConditionInput {
  args: JsonObject
  agent: string
  person: string
  organization: string
  server: string
  tool: string
  now: Date
}

/** A tool's rule, compiled once per revision of its fact. */
export interface Rule {
  fact: ToolFact
  /** What is wrong with the arguments, or null. */
  checkArguments(args: JsonObject): string | null
  /** The resource that the arguments name; null where the rule names none, undefined where they do not say. */
  resource(args: JsonObject): string | null | undefined
  /** Whether the condition holds. An error in it is a "no". */
  holds(input: ConditionInput): boolean
}

const conditions = new Environment({ limits: { maxAstNodes: 500, maxDepth: 40 } })
  .registerVariable('args', 'map')
  .registerVariable('agent', 'string')
  .registerVariable('person', 'string')
  .registerVariable('organization', 'string')
  .registerVariable('server', 'string')
  .registerVariable('tool', 'string')
  .registerVariable('now', 'google.protobuf.Timestamp')

/** Compiles a rule. What does not compile refuses every call: nothing is allowed because something was unreadable. */
export function compileRule(fact: ToolFact): Rule {
  return {
    fact,
    checkArguments: compileArguments(fact),
    resource: compileTemplate(fact.resource),
    holds: compileCondition(fact.condition),
  }
}

function compileCondition(condition: string | null): (input: ConditionInput) => boolean {
  if (condition === null) return () => true
  let program: ParseResult
  try {
    program = conditions.parse(condition)
  } catch {
    return () => false
  }
  return input => {
    try {
      return program(input) === true
    } catch {
      return false
    }
  }
}

/** What is wrong with a rule before it is stored, as a sentence, or null. */
export function checkRule(
  fact: Pick<ToolFact, 'condition' | 'resource' | 'inputSchema' | 'kind'>,
): string | null {
  if (fact.condition !== null) {
    try {
      const checked = conditions.parse(fact.condition).check()
      if (!checked.valid) return `The condition is not valid CEL: ${checked.error?.message ?? fact.condition}`
      if (checked.type !== 'bool' && checked.type !== 'dyn')
        return `The condition must be true or false, but it is of type ${checked.type}.`
    } catch (cause) {
      return `The condition is not valid CEL: ${cause instanceof Error ? cause.message : fact.condition}`
    }
  }
  return checkTemplate(fact)
}

function checkTemplate(fact: Pick<ToolFact, 'resource' | 'inputSchema' | 'kind'>): string | null {
  if (fact.resource === null) return null
  const names = [...fact.resource.matchAll(/\{([^{}]*)\}/g)].map(match => match[1] ?? '')
  const rest = fact.resource.replaceAll(/\{[^{}]*\}/g, 'x')
  if (/[{}]/.test(rest)) return 'The resource template has an unpaired brace.'
  const properties = fact.inputSchema?.['properties']
  for (const name of names) {
    if (!/^args\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(name))
      return `The resource template may name arguments as {args.name}, not {${name}}.`
    const [, top = ''] = name.split('.')
    if (fact.kind === 'tool' && properties && typeof properties === 'object' && !(top in properties))
      return `The resource template names the argument "${top}", which the tool does not take.`
  }
  return null
}
