import { join } from 'node:path'
import { decide } from '@valetkey/sdk/engine'
import { openPoint, type RunningPoint } from '@valetkey/sdk/guard'
import { serve, settings } from '../child.ts'
import type { Delegate } from './delegations.ts'

/** Several enforcement points in one process, each with a key, a connection and a replica of its own. */
export interface CrowdSettings {
  url: string
  serverKey: string
  organization: string
  directory: string
  points: number
}

/** Whose refusal to look out for; or when each point refused it, in milliseconds on the machine's clock. */
export type CrowdQuestion = { watch: Delegate } | { seen: true }

const { url, serverKey, organization, directory, points: count } = settings<CrowdSettings>()
const points: RunningPoint['point'][] = []

/** A hundred that start at once may find the authority busy for longer than they wait. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++)
    try {
      return await work()
    } catch (fault) {
      if (tries === 20) throw fault
    }
}

for (let i = 0; i < count; i++) {
  const place = join(directory, String(i))
  const { point } = await patiently(() => openPoint({ url, serverKey, kind: 'guard', directory: place }))
  await patiently(async () => {
    if (!(await point.replica.hold(organization))) throw new Error('the organization could not be loaded')
  })
  points.push(point)
}

let watched: Delegate | undefined
let seen: PromiseWithResolvers<number>[] = []

function isPermitted(point: RunningPoint['point']): boolean {
  const now = Date.now()
  const { chain = [], agent = '', credential = '' } = watched ?? {}
  const caller = {
    ...{ organization, agent, credential, client: agent, token: 'jti_1' },
    ...{ scopes: ['reports:*'], expiresAt: now + 60_000, person: null, grant: null, chain },
  }
  const action = { kind: 'prompt', name: 'report', arguments: {}, definition: null } as const
  const request = { id: 'dec_1', now, server: point.server.id, caller, action }
  return decide(request, point.replica.snapshot).decision === 'permit'
}

for (const [i, point] of points.entries())
  point.replica.onApplied(() => {
    if (watched && !isPermitted(point)) seen[i]?.resolve(Number(process.hrtime.bigint()) / 1e6)
  })

serve(null, (question: CrowdQuestion) => {
  if ('seen' in question) return Promise.all(seen.map(({ promise }) => promise))
  watched = question.watch
  seen = points.map(() => Promise.withResolvers<number>())
  // Who is refused already would measure nothing.
  if (!points.every(isPermitted)) throw new Error('who is to be refused is not permitted')
  return null
})
