import type { JsonObject, ToolFact } from '../core/index.ts'
import { compileArguments } from './arguments.ts'
import type { CatalogueView, TypeView } from './catalogue.ts'
import { type ConditionInput, checkToolCondition, compileToolCondition } from './condition.ts'
import { parseTemplate, type Template } from './template.ts'

/** A tool's rule, compiled once per revision of its fact. */
export interface Rule {
  fact: ToolFact
  /** Number of the permission that it needs. */
  permission: number
  /** What is wrong with the arguments, or null. */
  checkArguments(args: JsonObject): string | null
  /** Which resources the arguments name; null where the rule names none and concerns the whole organization. */
  template: Template | null
  /** The types that the template names, as far as they are known. */
  types: readonly (TypeView | undefined)[]
  /** Whether the condition holds. An error in it is a "no". */
  holds(input: ConditionInput): boolean
}

/** Compiles a rule. What does not compile refuses every call: nothing is allowed because something was unreadable. */
export function compileRule(fact: ToolFact, catalogue: CatalogueView): Rule {
  const template = compileTemplate(fact.resource)
  return {
    fact,
    permission: catalogue.permissionNumbers.of(fact.permission),
    checkArguments: compileArguments(fact),
    template,
    types: typesOf({ template }, catalogue),
    holds: compileToolCondition(fact.condition),
  }
}

/** The types that a rule's template names, looked up once for every change of a type. */
export function typesOf(
  { template }: Pick<Rule, 'template'>,
  { typesBySlug }: Pick<CatalogueView, 'typesBySlug'>,
): Rule['types'] {
  return template?.types.map(slug => typesBySlug.get(slug)) ?? []
}

/** A template that cannot be read names nothing, and refuses every call. */
const UNREADABLE: Template = { types: [], isAny: false, arguments: [], bind: () => undefined }

function compileTemplate(text: string | null): Template | null {
  if (text === null) return null
  const template = parseTemplate(text)
  return typeof template === 'string' ? UNREADABLE : template
}

/** What is wrong with a rule before it is stored, as a sentence, or null. */
export function checkRule(
  fact: Pick<ToolFact, 'condition' | 'resource' | 'inputSchema' | 'kind'>,
): string | null {
  return checkToolCondition(fact.condition) ?? checkTemplate(fact)
}

function checkTemplate(fact: Pick<ToolFact, 'resource' | 'inputSchema' | 'kind'>): string | null {
  if (fact.resource === null) return null
  const template = parseTemplate(fact.resource)
  if (typeof template === 'string') return template
  const properties = fact.inputSchema?.['properties']
  if (fact.kind !== 'tool' || !properties || typeof properties !== 'object') return null
  for (const path of template.arguments) {
    const [top = ''] = path.split('.')
    if (!(top in properties))
      return `The resource template names the argument "${top}", which the tool does not take.`
  }
  return null
}
