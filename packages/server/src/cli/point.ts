import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, addGroup, allPages, type Session, withSession } from './session.ts'
import type { Io, View } from './terminal/index.ts'

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
