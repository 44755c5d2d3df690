import { readFileSync, writeFileSync } from 'node:fs'
import type { Result } from './main.ts'

const README = new URL('../README.md', import.meta.url)
const RESULTS = new URL('./results.json', import.meta.url)
const BEGIN = '<!-- figures: made by `npm run bench -- --write-readme` -->'
const END = '<!-- end of figures -->'

/** What each bench found the last time that its figures were kept. */
type Results = Record<string, Result>

/** One measured number, how it is written, and the most (or least) that is promised; `aim` may rest on the same run. */
interface Value {
  of: (result: Result) => number
  unit: string
  most?: number | ((result: Result) => number)
  least?: number
  /** How the aim is written, where it is no plain number. */
  aim?: string
}

interface Row {
  bench: string
  what: string
  values: Value[]
}

const figure = (key: string) => (result: Result) => result.figures[key] ?? Number.NaN
const stage = (key: string) => (result: Result) => Number(result.stages[key] ?? Number.NaN)

const ROWS: Row[] = [
  {
    bench: 'check',
    what: 'may somebody do this here, by names, at 100,000 resources: median, p99; at 1,000,000: median',
    values: [
      { of: figure('p50_us_100k'), unit: 'µs', most: 1 },
      { of: figure('p99_us_100k'), unit: 'µs', most: 5 },
      { of: figure('p50_us_1m'), unit: 'µs', most: 2 },
    ],
  },
  {
    bench: 'check',
    what: 'answers other than the oracle’s, of 300,000',
    values: [{ of: figure('wrong'), unit: '', most: 0 }],
  },
  {
    bench: 'decide',
    what: 'one decision among 1,000 tools, 200 roles, 10,000 agents, median, without schema and condition',
    values: [{ of: figure('p50_us'), unit: 'µs', most: 2 }],
  },
  {
    bench: 'decide',
    what: 'an agent for a person, on one of 100,000 resources, median, without schema and condition; these add',
    values: [
      { of: figure('obo_p50_us'), unit: 'µs', most: 3 },
      { of: stage('obo_schema_adds_us'), unit: 'µs' },
      { of: stage('obo_condition_adds_us'), unit: 'µs' },
    ],
  },
  {
    bench: 'list',
    what: '80 of 100,000 resources, median; times faster than the recursive query, as written and as tuned',
    values: [
      { of: figure('us_80_of_100k'), unit: 'µs', most: 100 },
      { of: figure('ratio_to_cte'), unit: '×', least: 100 },
      { of: stage('ratio_to_tuned_cte'), unit: '×' },
    ],
  },
  {
    bench: 'import',
    what: 'memory a resource, all in; loading an organization of 1,500 rows',
    values: [
      { of: figure('bytes_per_resource'), unit: 'bytes', most: 150 },
      { of: figure('load_1500_ms'), unit: 'ms', most: 15 },
    ],
  },
  {
    bench: 'import',
    what: 'importing 1,000,000 resources over HTTP; the file then',
    values: [
      { of: figure('import_1m_s'), unit: 's', most: 60 },
      { of: figure('file_mb'), unit: 'MB', most: 400 },
    ],
  },
  ...(['sqlite', 'postgres'] as const).map(
    (database): Row => ({
      bench: 'propagate',
      what: `write to effect at three points, ${database === 'sqlite' ? 'SQLite' : 'PostgreSQL, two nodes'}: median, p99; barrier, p99`,
      values: [
        {
          of: figure(`p50_ms_${database}`),
          unit: 'ms',
          most: stage(`aim_p50_ms_${database}`),
          aim: '2 round trips + commit',
        },
        { of: figure(`p99_ms_${database}`), unit: 'ms', most: 50 },
        { of: figure(`barrier_ms_${database}`), unit: 'ms', most: 50 },
      ],
    }),
  ),
  {
    bench: 'guard',
    what: 'token, decision and durable record at 32 callers, shipping included (`admit_recorded_and_shipped_us`)',
    values: [{ of: stage('admit_recorded_and_shipped_us'), unit: 'µs of CPU' }],
  },
  {
    bench: 'guard',
    what: 'all that a guarded call costs more than an unguarded one, HTTP layer included',
    values: [{ of: figure('cpu_us'), unit: 'µs of CPU', most: 100 }],
  },
  {
    bench: 'gateway',
    what: 'added to a call at 200 calls/s, median; the whole call, p99; at 32 callers, with a core to itself',
    values: [
      {
        of: figure('added_p50_ms'),
        unit: 'ms',
        most: result => 1.5 + figure('fdatasync_p50_ms')(result),
        aim: '1.5 ms + fdatasync',
      },
      { of: figure('p99_ms'), unit: 'ms', most: 10 },
      { of: figure('calls_per_second'), unit: 'calls a second' },
    ],
  },
  {
    bench: 'gateway',
    what: 'CPU against a bare node:http + undici hop; against mcp-proxy with its server',
    values: [
      { of: figure('hop_cpu_ratio'), unit: '', most: 2.5 },
      { of: figure('mcp_proxy_cpu_ratio'), unit: '', most: 0.33 },
    ],
  },
  {
    bench: 'dpop',
    what: 'CPU that a proof of possession adds to a call, against one ES256 verification',
    values: [{ of: figure('es256_ratio'), unit: '', most: 1.5 }],
  },
  {
    bench: 'token',
    what: 'CPU against a bare node:http + jose handler: by secret; by key',
    values: [
      { of: figure('secret_cpu_ratio'), unit: '', most: 3 },
      { of: figure('key_cpu_ratio'), unit: '' },
    ],
  },
  {
    bench: 'exchange',
    what: 'a token by a delegation, CPU against one that an agent gets for itself; the third hop against the first',
    values: [
      { of: figure('cpu_ratio'), unit: '', most: 1.5 },
      { of: figure('third_to_first'), unit: '', most: 1.2 },
    ],
  },
  {
    bench: 'revoke',
    what: 'until each of 100 points refuses, 10,000 delegations included: median, p99; 100,000 revocations add to a call, to memory',
    values: [
      { of: figure('p50_ms'), unit: 'ms', most: 20 },
      { of: figure('p99_ms'), unit: 'ms', most: 100 },
      { of: figure('call_cost_us'), unit: 'µs', most: 1 },
      { of: figure('mb'), unit: 'MB', most: 20 },
    ],
  },
  {
    bench: 'authorize',
    what: 'code flow of a remembered grant, first call included; a renewal against a bare node:http + jose handler; the consent page',
    values: [
      { of: figure('flow_cpu_ms'), unit: 'ms of CPU', most: 12 },
      { of: figure('refresh_cpu_ratio'), unit: '', most: 2.5 },
      { of: figure('consent_render_ms'), unit: 'ms of CPU', most: 3 },
    ],
  },
  {
    bench: 'audit-ingest',
    what: 'attempts and outcomes as they are shipped; taken in, SQLite, PostgreSQL; against the speed when fewer were there; on disk with all indexes',
    values: [
      { of: stage('record_bytes'), unit: 'bytes a record' },
      { of: figure('sqlite_per_s'), unit: 'a second', least: 20_000 },
      { of: figure('postgres_per_s'), unit: 'a second', least: 10_000 },
      { of: figure('ratio_10m_to_1m'), unit: '', least: 0.8 },
      { of: figure('bytes_sqlite'), unit: 'bytes', most: 500 },
      { of: figure('bytes_postgres'), unit: 'bytes', most: 800 },
    ],
  },
  {
    bench: 'audit-ingest',
    what: 'what a call waits more because its record is durable, at 1 caller, at 256, in commits of this disk; CPU of a record',
    values: [
      { of: figure('fdatasyncs_p50_1'), unit: '', most: 1 },
      { of: figure('fdatasyncs_p50_256'), unit: '', most: 2 },
      { of: figure('cpu_us'), unit: 'µs', most: 25 },
    ],
  },
  {
    bench: 'audit-query',
    what: 'who touched a customer on a day: cold and warm on SQLite; cold and warm on PostgreSQL',
    values: (['sqlite', 'postgres'] as const).flatMap(database => [
      { of: figure(`cold_ms_${database}`), unit: 'ms', most: 500 },
      { of: figure(`warm_ms_${database}`), unit: 'ms', most: 100 },
    ]),
  },
  {
    bench: 'audit-seal',
    what: 'sealing a record, CPU of all threads, and its canonical form; verifying an export, one thread; proving one record',
    values: [
      { of: figure('us'), unit: 'µs', most: 5 },
      { of: figure('canonical_us'), unit: 'µs' },
      { of: figure('verify_per_s'), unit: 'records a second', least: 100_000 },
      { of: figure('proof_ms'), unit: 'ms', most: 1 },
    ],
  },
  {
    bench: 'start',
    what: '`valetkey dev` answers; idles at',
    values: [
      { of: result => figure('ready_ms')(result) / 1000, unit: 's', most: 2 },
      { of: figure('idle_rss_mb'), unit: 'MB', most: 200 },
    ],
  },
]

/** Keeps what benches found beside what others found before, and writes the table of README.md anew from all of it. */
export function writeReadme(found: Results): void {
  const results: Results = { ...JSON.parse(readFileSync(RESULTS, 'utf8')), ...found }
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`)
  const text = readFileSync(README, 'utf8')
  const [before, rest] = text.split(`${BEGIN}\n`)
  const [, after] = rest?.split(END) ?? []
  if (before === undefined || after === undefined) throw new Error('README.md has no place for the figures')
  writeFileSync(README, `${before}${BEGIN}\n${toTable(results)}${END}${after}`)
}

export function toTable(results: Results): string {
  let last = ''
  const lines = ROWS.map(({ bench, what, values }) => {
    const result = results[bench] ?? { figures: {}, stages: {} }
    const name = bench === last ? '' : `\`${bench}\`${amongRecords(result)}`
    last = bench
    return `| ${name} | ${what} | ${values.map(value => toText(value, result)).join(', ')} |\n`
  })
  return `| bench | what | figure |\n|---|---|---|\n${lines.join('')}`
}

/** Where a bench is about records, among how many it was measured. */
function amongRecords({ stages: { records } }: Result): string {
  return typeof records === 'number' ? `, ${records.toLocaleString('en')} records` : ''
}

/** As `1.9 µs [2]`, with what is promised in brackets. */
function toText({ of, unit, most, least, aim }: Value, result: Result): string {
  const measured = of(result)
  if (Number.isNaN(measured)) return 'not measured'
  const bound = typeof most === 'function' ? most(result) : (most ?? least)
  const text = unit === '' ? round(measured) : `${round(measured)} ${unit}`
  if (bound === undefined) return text
  const isMet = least === undefined ? measured <= bound : measured >= bound
  const promised =
    aim === undefined ? `${least === undefined ? '' : '≥ '}${round(bound)}` : `${aim} = ${round(bound)}`
  return `${text} [${promised}${isMet ? '' : ': not met'}]`
}

/** Two digits that mean something. */
function round(value: number): string {
  const rounded = Math.abs(value) < 100 ? Number(value.toPrecision(2)) : Math.round(value)
  return String(rounded)
}
