import { randomUUID } from 'node:crypto'
import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, InvalidArgumentError } from 'commander'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import { EXIT, type Io, type View } from '../terminal/index.ts'

type Barrier = NonNullable<Output<AdminApi['revocations']['create']>['barrier']>

/** How long something took, over all times that it was measured; in milliseconds. */
interface Spread {
  what: string
  times: number
  p50: number
  p90: number
  p99: number
  max: number
}

const WAIT_MS = 20_000
const ms = (value: number) => (Number.isNaN(value) ? '' : value.toFixed(1))

const view: View<Spread> = {
  kind: 'Measurement',
  name: spread => spread.what,
  columns: [
    { header: 'WHAT', value: spread => spread.what },
    { header: 'TIMES', value: spread => spread.times, align: 'right' },
    { header: 'P50 MS', value: spread => ms(spread.p50), align: 'right' },
    { header: 'P90 MS', value: spread => ms(spread.p90), align: 'right' },
    { header: 'P99 MS', value: spread => ms(spread.p99), align: 'right' },
    { header: 'MAX MS', value: spread => ms(spread.max), align: 'right' },
  ],
}

/** What this installation does, measured on itself. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'measure', {
    summary: 'What this installation does, measured on itself',
    examples: [
      ['valetkey measure revocation', 'from a word to its effect, at every enforcement point'],
      ['valetkey measure revocation --times 200', 'as often as that'],
    ],
  })
  addCommand(group, 'revocation', {
    summary: 'Take tokens back that nobody has, and say when each enforcement point had confirmed',
    examples: [
      ['valetkey measure revocation', '50 times'],
      ['valetkey measure revocation --times 500 --json', 'for a script'],
    ],
  })
    .option('--times <n>', 'how often, 1 to 1000', toTimes, 50)
    .action(withSession(io, measure))
}

function toTimes(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1 || Number(text) > 1_000)
    throw new InvalidArgumentError('Write a number, 1 to 1000.')
  return Number(text)
}

async function measure(session: Session, { times }: { times: number }): Promise<void> {
  const { api, organization, print, io } = session
  const whole: number[] = []
  const barriers: Barrier[] = []
  for (let i = 0; i < times && !io.interrupted.aborted; i++) {
    const began = performance.now()
    const { barrier } = await api.revocations.create({
      ...{ kind: 'token', id: `measured-${randomUUID()}`, ...organization },
      ...{ reason: 'measured: nobody has this token', waitMs: WAIT_MS },
    })
    whole.push(performance.now() - began)
    if (barrier) barriers.push(barrier)
  }
  const points = new Map<string, number[]>()
  for (const { id, kind, outcome, ms } of barriers.flatMap(barrier => barrier.points))
    if (outcome === 'confirmed') points.set(`${kind} ${id}`, [...(points.get(`${kind} ${id}`) ?? []), ms])
  print.list(view, [
    spreadOf('asked until answered, here', whole),
    spreadOf(
      'written until all had confirmed',
      barriers.map(({ elapsedMs }) => elapsedMs),
    ),
    ...[...points].map(([point, samples]) => spreadOf(point, samples)),
  ])
  const late = barriers.filter(({ complete }) => !complete).length
  if (points.size === 0) print.say('No enforcement point holds this organization: nothing was confirmed.')
  if (late > 0) {
    print.say(`${late} of ${barriers.length} times, not all had confirmed within ${WAIT_MS / 1000} s.`)
    io.exitCode = EXIT.unreachable
  }
}

function spreadOf(what: string, samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return {
    what,
    times: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}
