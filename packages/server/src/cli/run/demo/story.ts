import { join } from 'node:path'
import { letItAct } from './consent.ts'
import { type Demotion, demoteThePerson } from './demotion.ts'
import { dieWithIt, handOn } from './hand-on.ts'
import { guessForeignId } from './other-tenant.ts'
import { type Proved, proveIt } from './proof.ts'
import { type Revocation, revokeAndCall } from './shut-out.ts'
import { type Cast, type Closer, type Stage, setTheStage } from './stage.ts'
import { callAsBeat, round, type Step, type Tell } from './telling.ts'

export type { Step } from './telling.ts'

export interface Story {
  steps: Step[]
  demotion: Demotion
  revocation: Revocation
  proved: Proved
  totalMs: number
}

/** Lets real parties act: an agent is let in, refused, and shut out. Tells `onStep` of each step as it happens. */
export async function tellStory(stage: Stage & { onStep(step: Step): void }): Promise<Story> {
  const startedAt = performance.now()
  const { warn } = console
  // The SDK warns there of each refusal, in the middle of a story that tells of them itself.
  console.warn = () => undefined
  const closers: Closer[] = []
  const steps: Step[] = []
  const tell: Tell = async (title, act) => {
    const from = performance.now()
    const outcome = await act()
    const step = { step: steps.length + 1, title, ...outcome, ms: round(performance.now() - from) }
    steps.push(step)
    stage.onStep(step)
  }
  try {
    const cast = await setTheStage(stage, closers)
    const played = await play(cast, tell, closers)
    const proved = await proveIt(cast, stage.directory, tell)
    return { steps, ...played, proved, totalMs: Math.round(performance.now() - startedAt) }
  } finally {
    for (const close of closers.reverse()) await close()
    console.warn = warn
  }
}

const READ = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 120 } }

async function play(
  cast: Cast,
  tell: Tell,
  closers: Closer[],
): Promise<Pick<Story, 'demotion' | 'revocation'>> {
  const { api, billing, supportBot, analyst } = cast
  await tell('support-bot asks billing for its tools without a token', () => askWithoutToken(billing))
  const atBilling = await supportBot.connect(billing)
  await tell('support-bot proves itself with its own key and asks again', async () => {
    const { tools } = await atBilling.listTools()
    return { status: 'answered', text: `it may use ${tools.map(tool => tool.name).join(', ')}` }
  })
  await tell('get_invoice { customer: "acme", id: "INV-1042" }', () => callAsBeat(atBilling, READ))
  await tell('refund_invoice { customer: "acme", id: "INV-1042", amount: 120 }', () =>
    callAsBeat(atBilling, REFUND),
  )
  await guessForeignId(cast, tell)
  await useFiles(cast, tell)
  const demotion = await demoteThePerson(cast, await letItAct(cast, tell, closers), tell)
  const handedOn = await handOn(cast, tell, closers)
  const revocation = await revokeAndCall(api, supportBot, billing, READ, tell, from =>
    dieWithIt(billing, handedOn, tell, from),
  )
  const other = await analyst.connect(billing)
  await tell('billing-analyst, whom nobody revoked, goes on with its own work', () => callAsBeat(other, READ))
  return { demotion, revocation }
}

async function askWithoutToken(billing: string) {
  const response = await fetch(billing, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  })
  return { status: response.status, text: `WWW-Authenticate: ${response.headers.get('www-authenticate')}` }
}

/** Somebody else's server behind the gateway. */
async function useFiles({ files, supportBot }: Cast, tell: Tell): Promise<void> {
  const atFiles = await supportBot.connect(files.url)
  const path = join(files.folder, 'handbook.txt')
  await tell('read_text_file "handbook.txt", from the filesystem server behind the gateway', () =>
    callAsBeat(atFiles, { name: 'read_text_file', arguments: { path } }),
  )
  await tell('write_file "handbook.txt"', () =>
    callAsBeat(atFiles, { name: 'write_file', arguments: { path, content: 'hacked' } }),
  )
}
