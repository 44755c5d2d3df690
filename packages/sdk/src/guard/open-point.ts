import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, type Clock, systemClock } from '../core/index.ts'
import { createTokenCheck } from './access-token.ts'
import { createProofCheck, type ProofOptions } from './dpop/check.ts'
import { refuseNow } from './enforcement/observe.ts'
import { createOpenExchanges } from './enforcement/open-exchanges.ts'
import type { Point } from './enforcement/point.ts'
import { createStrangerLog } from './enforcement/stranger.ts'
import { createMetrics } from './metrics.ts'
import { createSeenTools } from './offer/seen-tools.ts'
import { createRecorder } from './recorder.ts'
import { type Link, openLink } from './replica/link.ts'
import { loadPointKeys } from './replica/point-key.ts'
import { startReplica } from './replica/replica.ts'
import { metadataUrlOf } from './resource-metadata.ts'
import { createSessions } from './sessions.ts'
import { createRequestBodies } from './shipping.ts'
import { openSpool, type SpoolFilePort, startShipper } from './spool/index.ts'

export interface PointOptions {
  /** Where the authority answers. */
  url: string
  /** The key of the MCP server that this point stands in front of (`valetkey server key create`). */
  serverKey: string
  kind: 'guard' | 'gateway'
  /** Where keys and the spool are kept: a directory of this process alone. */
  directory: string
  allowedOrigins?: readonly string[]
  /** How proofs of possession are checked, for tokens that are bound to a key (DPoP). */
  proofs?: ProofOptions
  clock?: Clock
  /** The file system under the spool. */
  files?: SpoolFilePort
  log?(message: string, fault?: unknown): void
}

/** An enforcement point that is registered, current and able to record. */
export interface RunningPoint {
  point: Point
  link: Link
  /** Why it decides nothing any more, once a newer start took over or its key was revoked. */
  ended(): AppError | undefined
  metrics(): string
  close(): Promise<void>
}

const VERSION = '0.1.0'
const SWEEP_EVERY_MS = 500

/** Registers with the authority, loads the policy and opens the spool. From then on calls can be decided. */
export async function openPoint(options: PointOptions): Promise<RunningPoint> {
  const { url, serverKey, kind, directory, clock = systemClock, log = () => undefined } = options
  const keys = await loadPointKeys(directory)
  const link = await openLink({
    url,
    serverKey,
    kind,
    keys,
    version: VERSION,
    lastEpoch: await readEpoch(directory),
  })
  const { registration } = link
  await writeEpoch(directory, registration.epoch)
  let ended: AppError | undefined
  const open = createOpenExchanges()
  const spool = await openSpool({
    dir: join(directory, 'spool'),
    epoch: registration.epoch,
    now: clock.now,
    ...(options.files && { file: options.files }),
  })
  const toBody = createRequestBodies({ point: registration.point, key: keys.signing.key })
  const shipper = startShipper({
    spool,
    limits: { maxRecords: 2_000, maxBytes: 1 << 20 },
    send: async batch => void (await link.sendRecords(toBody(batch))),
    onFailure: (failure, inARow) => log(`Records could not be shipped (${inARow} times in a row).`, failure),
  })
  const replica = await startReplica({
    link,
    clock,
    log,
    onEnded(reason) {
      ended = reason
      log('This enforcement point was ended by the authority.', reason)
      // It will hear of no revocation any more.
      open.stop('all')
    },
  }).catch(async (fault: unknown) => {
    // The start is tried again in this process: by then the directory must be free.
    await shipper.close(0)
    await spool.close()
    throw fault
  })
  const point: Point = {
    server: registration.server,
    place: new URL(registration.server.url),
    issuer: registration.issuer,
    metadataUrl: metadataUrlOf(registration.server.url),
    allowedOrigins: options.allowedOrigins ?? [],
    clock,
    replica,
    spool: createRecorder(spool),
    checkToken: createTokenCheck({
      issuer: registration.issuer,
      audience: registration.server.url,
      findKey: kid => replica.snapshot.catalogue.signingKeys.get(kid),
      now: clock.now,
    }),
    checkProof: createProofCheck(new URL(registration.server.url), clock, options.proofs),
    fingerprintKey: Buffer.from(registration.fingerprintKey, 'base64url'),
    sessions: createSessions(),
    seen: createSeenTools(),
    metrics: createMetrics(),
    open,
    noteStranger: createStrangerLog(),
    ended: () => ended,
  }
  replica.onApplied(() => cutRevoked(point))
  const sweep = setInterval(() => cutRevoked(point), SWEEP_EVERY_MS)
  sweep.unref()
  return {
    point,
    link,
    ended: () => ended,
    metrics: () =>
      point.metrics.render({
        valetkey_spool_records: spool.backlog().records,
        valetkey_spool_bytes: spool.backlog().bytes,
        valetkey_spool_ship_failures: shipper.failures(),
        valetkey_open_exchanges: point.open.size(),
        valetkey_lease_age_seconds: Math.min(replica.ageMs(), 1e9) / 1000,
      }),
    async close() {
      clearInterval(sweep)
      point.open.stop('all')
      // How the last calls ended goes along.
      await spool.flush()
      await shipper.close(3_000)
      replica.close()
      await link.leave().catch(fault => log('The lease was not given back; it ends by itself.', fault))
      await spool.close()
    },
  }
}

/** Ends calls and streams whose caller was revoked, and streams that outlived their token or the lease. */
function cutRevoked(point: Point): void {
  // A stream goes on telling: past the lease nobody here can know that it still may.
  const isStale = !point.replica.hasLease('read')
  point.open.cut(({ caller, isStream }) => {
    if (isStream && isStale) return { reason: 'stale', detail: 'the authority has not confirmed it' }
    const refusal = refuseNow(point, caller)
    if (!refusal) return null
    if (refusal.detail === 'the token has expired' && !isStream) return null
    return refusal
  })
}

async function readEpoch(directory: string): Promise<number> {
  const text = await readFile(join(directory, 'epoch'), 'utf8').catch(() => '0')
  const epoch = Number(text)
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0
}

async function writeEpoch(directory: string, epoch: number): Promise<void> {
  try {
    await writeFile(join(directory, 'epoch.tmp'), `${epoch}\n`, { mode: 0o600 })
    await rename(join(directory, 'epoch.tmp'), join(directory, 'epoch'))
  } catch (cause) {
    throw new AppError('audit.unavailable', `The directory ${directory} cannot be written.`, { cause })
  }
}
