import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AdminApi, Client as ApiClient } from '@valetkey/sdk/contract'
import {
  type BundleReport,
  checkReceipt,
  createBundleVerifier,
  leafHash,
  parseReceipt,
  parseTrust,
} from '@valetkey/sdk/evidence'
import type { Cast } from './stage.ts'
import type { Tell } from './telling.ts'

const NORTHWIND = { organization: 'northwind' }

/** What was found out about the records at the end. */
export interface Proved {
  records: number
  /** The number of the record of which one byte was changed, and of the one that the verifier named. */
  bent: number
  named: number | null
}

/** The question that all of this is for, answered in a line; then the proof of it, and what becomes of a forgery. */
export async function proveIt({ api }: Cast, directory: string, tell: Tell): Promise<Proved> {
  const about = { ...NORTHWIND, resource: 'customer/acme', server: 'billing', since: startOfToday() }
  await tell("Which agent touched acme's billing data today, and who authorized it?", async () => ({
    status: 'answered',
    text: await whoTouched(api, about),
  }))
  const { trust } = await api.evidence.logs(NORTHWIND)
  const [call] = (await api.audit.calls({ ...about, verdict: 'permit', limit: 1 })).items
  const id = call?.id ?? ''
  await tell(`valetkey audit receipt ${id}`, async () => {
    const { receipt, origin } = await api.evidence.receipt({ id })
    const read = parseReceipt(receipt)
    const { size } = checkReceipt(read, leafHash(read.entry), parseTrust(trust)(origin))
    return {
      status: 'proved',
      text: `That decision is record ${read.index} of the ${size} that were signed.`,
    }
  })
  const file = join(directory, 'northwind.evidence')
  await writeFile(file, await api.evidence.export(NORTHWIND))
  const whole = await readFile(file)
  const proved: Proved = { records: 0, bent: call?.index ?? 0, named: null }
  await tell('valetkey audit verify northwind.evidence, with the public key alone', async () => {
    const { entries, findings, shipments } = verify(whole, trust)
    if (findings.length > 0) throw new Error(`the export does not hold: ${findings[0]?.sentence}`)
    proved.records = entries
    return {
      status: 'proved',
      text: `${entries} records are what was signed; ${shipments} shipments are what the enforcement points signed.`,
    }
  })
  await tell('one byte of it is changed: the refund that was refused becomes one that was not', async () => {
    const { bytes, index } = bend(whole)
    proved.bent = index
    const [finding] = verify(bytes, trust).findings
    proved.named = finding?.first ?? null
    return { status: 'found', text: finding?.sentence ?? 'it should have been found' }
  })
  return proved
}

function startOfToday(): string {
  return new Date(new Date().setUTCHours(0, 0, 0, 0)).toISOString()
}

function verify(bundle: Uint8Array, trust: readonly string[]): BundleReport {
  const verifier = createBundleVerifier({ trust: parseTrust(trust) })
  verifier.push(bundle)
  return verifier.end()
}

/** Turns one byte of the refund that was refused. */
function bend(bundle: Buffer): { bytes: Buffer; index: number } {
  const line = bundle.lastIndexOf('\nentry\t', bundle.indexOf('"tool":"refund_invoice"')) + 1
  const index = Number(/^entry\t(\d+)/.exec(bundle.toString('utf8', line, line + 40))?.[1])
  const bytes = Buffer.from(bundle)
  const at = bundle.indexOf('"decision":"deny"', line) + '"decision":"'.length
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return { bytes, index }
}

/** Records arrive within a moment of the call, in its order; asked until the last is there, of the second of two agents. */
async function whoTouched(
  api: ApiClient<AdminApi>,
  question: Parameters<ApiClient<AdminApi>['audit']['who']>[0],
): Promise<string> {
  for (let round = 0; ; round++) {
    const { sentence, rows } = await api.audit.who(question)
    const agents = new Set(rows.filter(row => row.permitted > 0).map(row => row.agent))
    if (agents.size >= 2 || round === 100) return sentence
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
