import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { barrierSentence, toWait } from '../revocation/barrier.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import { EXIT, type Io, type View } from '../terminal/index.ts'

const view: View<Output<AdminApi['points']['list']>['items'][number]> = {
  kind: 'EnforcementPoint',
  name: point => point.id,
  columns: [
    { header: 'ID', value: point => point.id },
    { header: 'KIND', value: point => point.kind },
    { header: 'SERVER', value: point => point.server },
    { header: 'LIVE', value: point => (point.live ? 'yes' : 'no') },
    { header: 'LAST SEEN', value: point => ({ time: point.lastSeenAt }) },
    { header: 'RECORDS', value: point => point.records, align: 'right' },
    { header: 'GAPS', value: point => point.gaps, align: 'right' },
    { header: 'LEASE UNTIL', value: point => ({ time: point.leaseUntil }), wide: true },
    { header: 'START', value: point => point.epoch, align: 'right', wide: true },
    { header: 'VERSION', value: point => point.version, wide: true },
  ],
}

const barrierView: View<Output<AdminApi['points']['wait']>> = {
  kind: 'Confirmation',
  name: barrier => String(barrier.revision),
  columns: [
    { header: 'REVISION', value: barrier => barrier.revision, align: 'right' },
    { header: 'COMPLETE', value: barrier => (barrier.complete ? 'yes' : 'no') },
    { header: 'POINTS', value: barrier => barrier.points.length, align: 'right' },
    { header: 'MS', value: barrier => Math.round(barrier.elapsedMs), align: 'right' },
  ],
}

/** Enforcement points: the guards and gateways that decide. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'point', {
    summary: 'Enforcement points: the guards and gateways that decide',
    examples: [
      ['valetkey point ls', 'which run, and whether their records are complete'],
      ['valetkey point ls -o wide', 'with their leases'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List guards and gateways, their leases and record counters',
    examples: [
      ['valetkey point ls', 'as a table'],
      ['valetkey point ls --json', 'for a script'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'wait', {
    summary: 'Wait until every guard and gateway decides on what is written now',
    examples: [
      ['valetkey point wait', 'after a change that must hold everywhere before you go on'],
      ['valetkey point wait --within 2000', 'two seconds at most'],
    ],
  })
    .option('--within <ms>', 'milliseconds to wait, at most 60000', toWait, 10_000)
    .action(withSession(io, wait))
}

async function wait({ api, print, io, organization }: Session, options: { within: number }): Promise<void> {
  const barrier = await api.points.wait({ ...organization, waitMs: options.within })
  if (!print.human) print.item(barrierView, barrier)
  print.say(barrierSentence(barrier))
  if (!barrier.complete) io.exitCode = EXIT.unreachable
}

async function list({ api, print }: Session): Promise<void> {
  const [points, servers] = await Promise.all([
    allPages(page => api.points.list(page)),
    allPages(page => api.servers.list(page)),
  ])
  const names = new Map(servers.map(server => [server.id, server.name]))
  if (print.human)
    print.list(
      view,
      points.map(point => ({ ...point, server: names.get(point.server) ?? point.server })),
    )
  else print.list(view, points)
}
