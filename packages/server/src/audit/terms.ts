import { hash } from 'node:crypto'

/**
 * A number for each thing that a record can be found by and of which it may name several: resources with all that they
 * lie in, members of the chain. 48 bits under a secret of this evidence, so that nobody can choose names that meet.
 */
export type Terms = (kind: 'resource' | 'chain', text: string) => number

export function createTerms(secret: string): Terms {
  // What many resources lie in is asked for with each of them.
  const known = new Map<string, number>()
  return (kind, text) => {
    const named = `${kind}\n${text}`
    const before = known.get(named)
    if (before !== undefined) return before
    const term = Number.parseInt(hash('sha256', `${secret}\n${named}`, 'hex').slice(0, 12), 16)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(named, term)
    return term
  }
}

const MOST_KNOWN = 20_000

/** A path as the steps that lead to a resource: `customer/acme/invoice/7` lies in `customer/acme`, and is `invoice/7`. */
export function stepsOf(path: string): string[] {
  const parts = path.split('/')
  const steps: string[] = []
  for (let at = 0; at < parts.length; at += 2) steps.push(parts.slice(at, at + 2).join('/'))
  return steps
}

/**
 * What to look for when a resource is asked for: its own step. Where only a type is named, as in `customer/acme/invoice`,
 * what it lies in; null for a type alone.
 */
export function stepOf(path: string): string | null {
  return stepsOf(path).findLast(step => step.includes('/')) ?? null
}

/** Whether the step alone tells exactly what was asked for. */
export function isOneStep(path: string): boolean {
  return path.split('/').length === 2
}

/** Whether a resource is the one that was asked for or lay in it, wherever that lay itself. */
export function isWithin(path: string, asked: string): boolean {
  const [steps, wanted] = [stepsOf(path), stepsOf(asked)]
  return steps.some((_, from) =>
    wanted.every((step, i) => {
      const found = steps[from + i]
      return (
        found === step || (i === wanted.length - 1 && !step.includes('/') && found?.startsWith(`${step}/`))
      )
    }),
  )
}
