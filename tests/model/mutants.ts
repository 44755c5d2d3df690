/** One small mistake in a source, as somebody might make it. */
export interface Mutant {
  file: string
  line: number
  operator: string
  before: string
  after: string
  /** The whole source with the mistake in it. */
  source: string
}

interface Operator {
  name: string
  find: RegExp
  replace: (found: string) => string
}

const swap = (name: string, find: RegExp, replacement: string): Operator => ({
  name,
  find,
  replace: () => replacement,
})

/** Mistakes by text: what stands alone between spaces is an operator. */
const OPERATORS: readonly Operator[] = [
  swap('is → is not', /(?<=\s)===(?=\s)/g, '!=='),
  swap('is not → is', /(?<=\s)!==(?=\s)/g, '==='),
  swap('< → <=', /(?<=\s)<(?=\s)/g, '<='),
  swap('<= → <', /(?<=\s)<=(?=\s)/g, '<'),
  swap('> → >=', /(?<=\s)>(?=\s)/g, '>='),
  swap('>= → >', /(?<=\s)>=(?=\s)/g, '>'),
  swap('< → >', /(?<=\s)<(?=\s)/g, '>'),
  swap('> → <', /(?<=\s)>(?=\s)/g, '<'),
  swap('and → or', /(?<=\s)&&(?=\s)/g, '||'),
  swap('or → and', /(?<=\s)\|\|(?=\s)/g, '&&'),
  swap('+ 1 → - 1', /(?<=[\s\w])\+ 1\b/g, '- 1'),
  swap('+ 1 → nothing', /(?<=[\s\w])\+ 1\b/g, ''),
  swap('- 1 → + 1', /(?<=[\s\w)])- 1\b/g, '+ 1'),
  swap('++ → --', /\+\+/g, '--'),
  swap('-- → ++', /--/g, '++'),
  swap('true → false', /\btrue\b/g, 'false'),
  swap('false → true', /\bfalse\b/g, 'true'),
  swap('no continue', /\bcontinue\b/g, ';'),
  swap('no break', /\bbreak\b/g, ';'),
  swap('not → nothing', /!(?=[a-z])/g, ''),
  swap('other order', /\b([ab](?:\.\w+)*) - ([ab](?:\.\w+)*)/g, '0'),
  swap('no filter', /\.filter\((?=\w|\()/g, '.filter(() => true); [].filter('),
  swap('no limit', /\.slice\(0, \w+\)/g, ''),
  swap('no sort', /\.sort\(\(a, b\) => [^()]*\)/g, ''),
  swap('no sort', /\.sort\(\)/g, ''),
  swap('none instead of some', /\.some\(/g, '.every('),
  swap('parent → itself', /tree\.parentOf\((\w+)\)/g, '0'),
]

/** Every mistake that can be made in a source, one at a time. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const lines = source.split('\n')
  return lines.flatMap((text, index) => {
    if (isNoCode(text)) return []
    const found = OPERATORS.flatMap(operator =>
      [...text.matchAll(operator.find)].map(match => ({
        operator: operator.name,
        after: `${text.slice(0, match.index)}${operator.replace(match[0])}${text.slice(match.index + match[0].length)}`,
      })),
    )
    for (const after of conditionsOf(text)) found.push({ operator: 'condition', after })
    if (isStatement(text)) found.push({ operator: 'no statement', after: ';' })
    return found
      .filter(({ after }) => after !== text)
      .map(({ operator, after }) => {
        const mutated = lines.with(index, after).join('\n')
        return { file, line: index + 1, operator, before: text.trim(), after: after.trim(), source: mutated }
      })
  })
}

function isNoCode(text: string): boolean {
  return /^\s*(\/?\*|\/\/|import |export (interface|type) |$)/.test(text)
}

/** `if (x)` that is always or never so. */
function conditionsOf(text: string): string[] {
  const start = text.indexOf('if (')
  if (start < 0) return []
  let depth = 0
  for (let at = start + 3; at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0)
      return ['true', 'false'].map(always => `${text.slice(0, start + 4)}${always}${text.slice(at)}`)
  }
  return []
}

/** A line that is a whole statement: an assignment or a call. */
function isStatement(text: string): boolean {
  return (
    /^\s+(this[.[]|[a-z]\w*(\.|\[|\()|delete )/.test(text) &&
    /[\w)\]'"]$/.test(text) &&
    !/^\s+\w+:/.test(text)
  )
}
