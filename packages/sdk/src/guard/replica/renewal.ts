import type { Copy } from './copy.ts'
import type { Lease } from './lease.ts'
import type { Link } from './link.ts'

/** Asks the authority for the lease, and confirms with each renewal what is applied here. */
export interface Renewal {
  /** One at a time: whoever comes while one is under way waits for that. */
  renew(): Promise<void>
  /** Throws where the authority does not answer, or refuses. */
  renewOnce(): Promise<void>
}

export interface RenewalOptions {
  link: Pick<Link, 'lease'>
  copy: Copy
  lease: Lease
  /** Whether this start is over, so that nothing is asked for any more. */
  isEnded(): boolean
  onFault(fault: unknown): void
  log(message: string): void
}

export function createRenewal({ link, copy, lease, isEnded, onFault, log }: RenewalOptions): Renewal {
  const { snapshot } = copy
  let renewal: Promise<void> | undefined
  let owesAcknowledgement = false

  copy.onApplied(() => {
    owesAcknowledgement = true
    // What has arrived with it is applied first, here and at other points of this process.
    setImmediate(renewIfOwed)
  })

  function renewIfOwed(): void {
    if (owesAcknowledgement && !isEnded()) void renew()
  }

  /** An acknowledgement that came up meanwhile starts the next one at once. */
  function renew(): Promise<void> {
    renewal ??= renewOnce()
      .catch(onFault)
      .finally(() => {
        renewal = undefined
        renewIfOwed()
      })
    return renewal
  }

  async function renewOnce(): Promise<void> {
    owesAcknowledgement = false
    const applied = copy.revisions()
    const asked = lease.mark()
    const answer = await link.lease({ applied, dropped: [] })
    copy.expect(answer.heads)
    const unnamed = Object.keys(applied).filter(id => answer.heads[id] === undefined)
    if (unnamed.length > 0)
      return log(`The authority does not say how far ${unnamed.join(', ')} is: no lease.`)
    // The lease holds only once all that was written before it was granted is applied here.
    const behind = () =>
      Object.entries(answer.heads).filter(([id, head]) => (snapshot.revisionOf(id) ?? head) < head)
    if (behind().length > 0) await copy.caughtUp(() => behind().length === 0)
    for (const [organization] of behind()) await copy.load(organization)
    // An answer that arrives after the end says nothing any more.
    if (behind().length === 0 && !isEnded()) lease.grant(asked, answer)
  }

  return { renew, renewOnce }
}
