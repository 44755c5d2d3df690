import type { Hono } from 'hono'
import { type Context, revokeGrant, revokeGrants } from '../../directory/index.ts'
import type { WaitingRequests } from '../../oauth/index.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { agentPage, agentsPage, stopPage } from '../pages/agents.ts'
import { wordsFor } from '../pages/languages.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import type { Ask, Env } from '../sign-in/parts.ts'
import type { SignedIn, Stage } from '../stage.ts'
import { readAsked } from './asked.ts'
import { type ActingAgent, type Evidence, readAgents, readCalls } from './read.ts'

/** *Your agents*: what acts for a person, what it did, and how it is stopped. Looking changes nothing. */
export function addAgents(
  app: Hono<Env>,
  stage: Stage,
  { evidence, waiting }: { evidence: Evidence; waiting: WaitingRequests },
): void {
  const base = `${stage.base}/agents`
  const visit = async (c: Ask) => {
    const who = await stage.whoIs(c)
    if (!who) return undefined
    const words = wordsFor(c.req.header('accept-language'))
    const ctx = contextOf(stage, who)
    const agents = await readAgents(ctx, evidence, who.person)
    const agent = agents.find(({ id }) => id === c.req.param('agent'))
    const account = `${stage.base}/account`
    return { c, stage, who, words, ctx, base, account, person: who.person, agents, agent }
  }
  const signIn = () => redirectTo(`${stage.base}/sign-in`)

  app.get('/agents', async c => {
    const at = await visit(c)
    if (!at) return signIn()
    const asked = await readAsked(at.ctx, waiting, at.person)
    const done = await doneBy(at, c.req.query('stopped'))
    return toResponse(agentsPage({ ...at, asked, waits: `${stage.base}/waiting`, done }))
  })
  app.get('/agents/stop', async c => {
    const at = await visit(c)
    return at ? askToStop(at, undefined) : signIn()
  })
  app.post('/agents/stop', async c => {
    const at = await visit(c)
    return at ? stop(at, undefined) : signIn()
  })
  app.get('/agents/:agent', async c => {
    const at = await visit(c)
    if (!at) return signIn()
    if (!at.agent) return unknown(at)
    const calls = await readCalls(at.ctx, evidence, at.person, at.agent.id)
    return toResponse(agentPage({ ...at, agent: at.agent, calls }))
  })
  app.get('/agents/:agent/stop', async c => {
    const at = await visit(c)
    if (!at) return signIn()
    return at.agent ? askToStop(at, at.agent) : unknown(at)
  })
  app.post('/agents/:agent/stop', async c => {
    const at = await visit(c)
    if (!at) return signIn()
    return at.agent ? stop(at, at.agent) : unknown(at)
  })
}

interface Visit {
  c: Ask
  stage: Stage
  who: SignedIn
  words: ReturnType<typeof wordsFor>
  ctx: Context
  base: string
  account: string
  person: SignedIn['person']
  agents: ActingAgent[]
}

function contextOf({ store, now }: Stage, { person }: SignedIn): Context {
  return { store, now, actor: { id: person.id, name: person.email, permissions: [] } }
}

/** Somebody else's agent, one that is stopped already, or none at all. */
function unknown({ words }: Visit): Response {
  const { title, none } = words.agents
  return toResponse(messagePage({ words, title, text: none, status: 404 }))
}

const purposeOf = ({ session }: SignedIn) => `agents:${session.id}`

function askToStop(at: Visit, agent: ActingAgent | undefined): Response {
  const { c, stage, who } = at
  const chosen = agent?.grants.find(({ id }) => id === c.req.query('grant'))
  const server = chosen?.server ?? at.words.agents.anywhere
  const only = chosen && { grant: chosen.id, server }
  const formToken = stage.sealForm(purposeOf(who))
  return toResponse(stopPage({ ...at, action: c.req.path, formToken, agent, only }))
}

/** Ends what the person lets one agent do, or all; a grant of somebody else's is nobody's here. */
async function stop(at: Visit, agent: ActingAgent | undefined): Promise<Response> {
  const { c, stage, who, ctx, person, base } = at
  const form = await stage.readForm(c)
  if (!form || !stage.isOwnForm(purposeOf(who), form)) return refuseForm(c)
  const organization = person.organization.id
  const reason = 'stopped by the person'
  const named = form.one('grant')
  const only = agent?.grants.find(({ id }) => id === named)
  if (named !== '' && !only) return refuseForm(c)
  if (only) await revokeGrant(ctx, { organization, id: only.id, reason })
  else await revokeGrants(ctx, { organization, agent: agent?.id, person: person.id, reason })
  return redirectTo(`${base}?stopped=${agent?.id ?? 'all'}`)
}

/** What a page says after something was stopped. */
async function doneBy(
  { words, ctx, person }: Visit,
  stopped: string | undefined,
): Promise<string | undefined> {
  if (stopped === undefined) return undefined
  if (stopped === 'all') return words.agents.doneAll
  const agent = await ctx.store.db
    .selectFrom('principal')
    .select('name')
    .where('id', '=', stopped)
    .where('organizationId', '=', person.organization.id)
    .where('kind', '=', 'agent')
    .executeTakeFirst()
  return agent && words.agents.done(agent.name)
}
