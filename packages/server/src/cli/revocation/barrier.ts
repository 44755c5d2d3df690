import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, InvalidArgumentError } from 'commander'
import type { Session } from '../session.ts'
import { EXIT, type View } from '../terminal/index.ts'

type Barrier = NonNullable<Output<AdminApi['revocations']['create']>['barrier']>

const DEFAULT_WAIT_MS = 10_000

const pointView: View<Barrier['points'][number]> = {
  kind: 'Confirmation',
  name: point => point.id,
  columns: [
    { header: 'POINT', value: point => point.id },
    { header: 'KIND', value: point => point.kind },
    { header: 'OUTCOME', value: point => point.outcome.replace('_', ' ') },
    { header: 'MS', value: point => Math.round(point.ms), align: 'right' },
  ],
}

export interface WaitOptions {
  wait?: number | true
}

export function addWaitOption(command: Command): Command {
  return command.option(
    '--wait [ms]',
    `wait until every enforcement point has confirmed, at most so long`,
    toWait,
  )
}

/** Milliseconds, as they are typed. */
export function toWait(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 60_000)
    throw new InvalidArgumentError('Write milliseconds, at most 60000, as 5000.')
  return Number(text)
}

export function waitMsOf({ wait }: WaitOptions): number {
  return wait === true ? DEFAULT_WAIT_MS : (wait ?? 0)
}

/** Says how far a change has got: `3 of 3 enforcement points confirmed in 41 ms`. */
export function showBarrier(
  { print, io }: Session,
  { barrier, revision }: { barrier: Barrier | null; revision: number },
  what: string,
): void {
  if (print.human && barrier && barrier.points.length > 0) print.list(pointView, barrier.points)
  print.say(barrier ? barrierSentence(barrier) : `${what} at revision ${revision}; not waited for.`)
  if (barrier && !barrier.complete) io.exitCode = EXIT.unreachable
}

/** One whose lease has ended decides nothing either. */
export function barrierSentence({ points, elapsedMs, complete }: Barrier): string {
  if (points.length === 0)
    return 'No enforcement point is running: nothing is left that could let it through.'
  const confirmed = points.filter(point => point.outcome === 'confirmed').length
  const ended = points.filter(point => point.outcome === 'lease_ended').length
  const leases =
    ended > 0 ? `, ${ended} stopped deciding as ${ended === 1 ? 'its lease' : 'their leases'} ended` : ''
  const sentence = `${confirmed} of ${points.length} enforcement points confirmed in ${Math.round(elapsedMs)} ms${leases}`
  return complete ? sentence : `${sentence}; the others may still decide until their leases end.`
}
