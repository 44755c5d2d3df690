import type { Logger } from 'pino'
import type { Audit } from '../audit/index.ts'
import { type Baseline, openBaseline } from '../baseline/index.ts'
import type { WaitForPoints } from '../directory/index.ts'
import { tellRisk } from '../signals/index.ts'
import { openSinks, type Sinks } from '../sinks/index.ts'
import type { Store } from '../store/index.ts'
import type { Config } from './settings.ts'

interface Parts {
  store: Store
  audit: Audit
  now(): number
  log: Logger
}

/** Sends the evidence on to where the configuration and the organizations want it. */
export function openSending(
  { auditSinks, sinkPrivateHosts, issuer }: Config,
  { store, audit, now, log }: Parts,
): Promise<Sinks> {
  return openSinks({
    ...{ store, audit, now },
    configured: auditSinks,
    privateHosts: sinkPrivateHosts,
    host: new URL(issuer).hostname,
    onFault: fault => log.warn({ err: fault }, 'records wait to be sent on'),
  })
}

/** Observes what agents do, and tells receivers of security events of what is told of at all. */
export function openObserving(
  { issuer }: Pick<Config, 'issuer'>,
  { store, audit, now, log, barrier }: Parts & { barrier: WaitForPoints },
): Promise<Baseline> {
  return openBaseline({
    ...{ store, audit, now, waitForPoints: barrier },
    onAlert(tx, { id, organizationId: organization, agentId: agent, sentence: reason, at }) {
      const risk = { organization, agent, at: Date.parse(at), reason, id, actor: 'baseline' }
      return tellRisk(tx, risk, { issuer, now: now() })
    },
    onFault: fault => log.warn({ err: fault }, 'what agents do waits to be observed'),
  })
}
