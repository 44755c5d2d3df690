import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'

/** What a bench found: figures that are promised, and what every stage costs. */
export interface Result {
  figures: Record<string, number>
  stages: Record<string, number | string>
}

/** What may be said beside the name of a bench. */
export interface Options {
  /** How many records of calls there are, where a bench is about them. */
  records?: number
}

/** Benches by name, loaded when they are called. */
const BENCHES: Record<string, () => Promise<{ run(options: Options): Promise<Result> }>> = {
  decide: () => import('./decide.ts'),
  check: () => import('./check.ts'),
  list: () => import('./list.ts'),
  import: () => import('./import.ts'),
  propagate: () => import('./propagate.ts'),
  guard: () => import('./guard.ts'),
  gateway: () => import('./gateway.ts'),
  dpop: () => import('./dpop.ts'),
  token: () => import('./token.ts'),
  exchange: () => import('./exchange.ts'),
  revoke: () => import('./revoke.ts'),
  authorize: () => import('./authorize.ts'),
  start: () => import('./start.ts'),
  'audit-ingest': () => import('./audit-ingest.ts'),
  'audit-query': () => import('./audit-query.ts'),
  'audit-seal': () => import('./audit-seal.ts'),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    records: { type: 'string' },
    /** Keeps what is found in `results.json`, and writes the table of README.md from all that is kept. */
    'write-readme': { type: 'boolean', default: false },
  },
})
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES)
const options: Options = values.records === undefined ? {} : { records: Number(values.records) }
if (options.records !== undefined && !(options.records >= 1000)) {
  process.stderr.write('--records takes a number, at least 1000.\n')
  process.exit(2)
}
const [cpu] = cpus()
const machine = {
  cpu: cpu?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
}

const found: Record<string, Result> = {}
for (const name of names) {
  const load = BENCHES[name]
  if (!load) {
    process.stderr.write(`There is no bench "${name}". There are: ${Object.keys(BENCHES).join(', ')}.\n`)
    process.exit(2)
  }
  const bench = await load()
  const { figures, stages } = await bench.run(options)
  found[name] = { figures, stages }
  if (values.json) process.stdout.write(`${JSON.stringify({ name, figures, stages, machine })}\n`)
  else process.stdout.write(toText(name, figures, stages))
}
if (values['write-readme']) (await import('./readme.ts')).writeReadme(found)
process.exit(0)

function toText(name: string, figures: Result['figures'], stages: Result['stages']): string {
  const rows = [
    ...Object.entries(figures).map(([key, value]) => ['*', key, String(round(value))]),
    ...Object.entries(stages).map(([key, value]) => [
      ' ',
      key,
      typeof value === 'number' ? String(round(value)) : value,
    ]),
  ]
  const width = Math.max(...rows.map(([, key]) => key?.length ?? 0))
  const lines = rows.map(([mark, key, value]) => `  ${mark} ${key?.padEnd(width)}  ${value}`)
  return `\n${name}  (${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; * is promised)\n${lines.join('\n')}\n`
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
