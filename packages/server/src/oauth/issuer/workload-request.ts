import type { IncomingMessage } from 'node:http'

/** A program that its issuer has named: the agent that it is, and the credential that the rule stands for. */
export interface Workload {
  agent: string
  credential: string
}

const workloads = new WeakMap<IncomingMessage, Workload>()

/** Notes who sends a request, as an issuer has said. */
export function nameWorkload(request: IncomingMessage, workload: Workload): void {
  workloads.set(request, workload)
}

/** Who sends a request, where an issuer has said so. */
export function workloadOf(request: IncomingMessage): Workload | undefined {
  return workloads.get(request)
}
