import { decide } from '@valetkey/sdk/engine'
import { openPoint } from '@valetkey/sdk/guard'
import { serve, settings } from '../child.ts'

export interface PointSettings {
  issuer: string
  /** The node that it talks to, whatever name it knows the authority by. */
  node: string
  serverKey: string
  directory: string
  organization: string
  agent: string
  credential: string
}

/** To look out for a decision; or to say when it was first made that way, in milliseconds on the machine's clock. */
export type PointQuestion = { watch: 'permit' | 'deny' } | { seen: true }

const { issuer, node, serverKey, directory, organization, agent, credential } = settings<PointSettings>()
const direct = globalThis.fetch
globalThis.fetch = (input, init) => direct(String(input).replace(issuer, node), init)
const { point } = await openPoint({ url: issuer, serverKey, kind: 'guard', directory })
const { replica } = point
if (!(await replica.hold(organization))) throw new Error('the organization could not be loaded')

function verdict(): string {
  const now = Date.now()
  const caller = {
    ...{ organization, agent, credential, client: agent, token: 'jti_1', scopes: ['reports:*'] },
    ...{ expiresAt: now + 60_000, person: null, grant: null, chain: [] },
  }
  const action = { kind: 'prompt', name: 'report', arguments: {}, definition: null } as const
  return decide({ id: 'dec_1', now, server: point.server.id, caller, action }, replica.snapshot).decision
}

let wanted: string | undefined
let seen = Promise.withResolvers<number>()
function look(): void {
  if (wanted === undefined || verdict() !== wanted) return
  wanted = undefined
  seen.resolve(Number(process.hrtime.bigint()) / 1e6)
}
replica.onApplied(look)

serve(null, (question: PointQuestion) => {
  if ('seen' in question) return seen.promise
  seen = Promise.withResolvers()
  wanted = question.watch
  look()
  return null
})
