import type { AdminApi, Client as ApiClient, Output } from '@valetkey/sdk/contract'
import type { Cast } from './stage.ts'
import { call, callAsBeat, type Tell } from './telling.ts'

/** An invoice of Contoso's, on the server that both organizations use. */
const FOREIGN = { name: 'get_invoice', arguments: { customer: 'initech', id: 'INV-7001' } }

/** Northwind's agent has guessed an id of another organization. It helps it to nothing, and `why` says what was missing. */
export async function guessForeignId(
  { api, billing, supportBot, contosoBot }: Cast,
  tell: Tell,
): Promise<void> {
  const guessing = await supportBot.connect(billing)
  let decision = ''
  await tell(
    'get_invoice { customer: "initech", id: "INV-7001" }: a good guess, it is Contoso\'s',
    async () => {
      const { denied, ...refused } = await call(guessing, FOREIGN)
      decision = denied?.decision ?? ''
      return refused
    },
  )
  await tell(`valetkey why ${decision}`, async () => ({ status: 'answered', text: await why(api) }))
  const own = await contosoBot.connect(billing)
  await tell('contoso-bot asks for the same invoice', () => callAsBeat(own, FOREIGN))
  await tell('valetkey why research-agent invoices:read customer/globex', async () => {
    const question = {
      principal: 'agent:research-agent',
      permission: 'invoices:read',
      resource: 'customer/globex',
    }
    const explained = await api.access.explain({ organization: 'northwind', ...question })
    return { status: 'answered', text: toText(explained) }
  })
}

/** Leg by leg what would be decided of the guess; the authority asks the function that decided at the guard. */
async function why(api: ApiClient<AdminApi>): Promise<string> {
  const { legs, reason } = await api.decisions.check({
    organization: 'northwind',
    agent: 'support-bot',
    server: 'billing',
    name: FOREIGN.name,
    arguments: FOREIGN.arguments,
  })
  const walk = legs.flatMap(({ leg, result, detail }) => {
    if (result === 'not_reached') return []
    return result === 'passed' ? `✓ ${leg}` : `✗ ${leg} (${reason}): ${detail}`
  })
  return `${walk.join('  ')}. What another organization has is nothing to northwind, and no role there could give it.`
}

function toText({ sentence, path, near }: Output<AdminApi['access']['explain']>): string {
  const held = near.map(({ role, on }) => `${role} on ${on}`)
  const elsewhere = held.length > 0 ? ` On the way up it has only ${held.join(', ')}.` : ''
  return `${path.join(' → ')}: ${sentence}${elsewhere}`
}
