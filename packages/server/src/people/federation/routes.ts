import { randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import { record } from '../../audit/index.ts'
import { asOneChange, findProvider, type ProviderRow } from '../../directory/index.ts'
import { hashSecret } from '../../store/index.ts'
import { readForm } from '../form.ts'
import { redirectTo } from '../pages/layout.ts'
import type { Ask, Env } from '../sign-in/parts.ts'
import { admitSaid } from './federation.ts'
import { recall } from './pending.ts'
import { loadOidc, loadSaml, opened, selfOf } from './provider-side.ts'
import { gone, refuse, refuseForNow } from './refusal.ts'
import { FederationError } from './said.ts'
import type { SamlAnswer } from './saml.ts'
import { endFromProvider, type SignedOut } from './sessions.ts'
import { type FederationSite, triesOf } from './site.ts'

/** A response with many groups in it, as base64 in a form. */
const MOST_RESPONSE_BYTES = 512 * 1024
const TICKET_MS = 2 * 60_000
const TICKET = 'SamlAnswer'

/** Where providers and the browsers that they send meet us. */
export function addFederation(app: Hono<Env>, site: FederationSite): void {
  /** Finds the provider, and slows down whoever sends what is not from it. */
  const at = (handle: (c: Ask, provider: ProviderRow) => Promise<Response>) => async (c: Ask) => {
    const provider = await findProvider(site.store.db, c.req.param('provider') ?? '')
    const tries = triesOf(site, c)
    if (!provider) return gone(c)
    if (!(await site.limit.take(tries))) return refuseForNow(c)
    try {
      const answer = await handle(c, provider)
      await site.limit.forgive(tries)
      return answer
    } catch (fault) {
      return refuse(site, c, provider, fault)
    }
  }
  app.get(
    '/federation/:provider/callback',
    at((c, provider) => answerOidc(c, site, provider)),
  )
  app.post(
    '/federation/:provider/acs',
    at((c, provider) => takeSaml(c, site, provider)),
  )
  app.get(
    '/federation/:provider/finish',
    at((c, provider) => answerSaml(c, site, provider)),
  )
  app.get(
    '/federation/:provider/metadata',
    at((c, provider) => showMetadata(c, site, provider)),
  )
  app.get(
    '/federation/:provider/logout',
    at((c, provider) => answerLogout(c, site, provider)),
  )
  app.post('/federation/:provider/backchannel-logout', c => backchannelLogout(c, site))
}

async function answerOidc(c: Ask, site: FederationSite, provider: ProviderRow): Promise<Response> {
  const { search, searchParams } = new URL(c.req.url)
  const key = searchParams.get('state') ?? ''
  const pending = recall(site, c, provider, key)
  if (provider.kind !== 'oidc' || !pending?.oidc) throw new FederationError('not_this_browser')
  // As the provider was told it, whatever stands between the two of us.
  const url = new URL(`${site.issuer}/federation/${provider.id}/callback${search}`)
  const { oidc: kept, isFresh, beganAt, next } = pending
  const options = { url, kept, isFresh, beganAt, now: site.now() }
  const said = await (await loadOidc()).finishOidc(opened(site, provider), options)
  return admitSaid(site, c, provider, said, { next, key, isFresh })
}

/**
 * Takes a SAML response, which comes from another site and so without our cookies: verifies it, keeps what it says under
 * a ticket, and has the browser come again with the ticket and its cookies.
 */
async function takeSaml(c: Ask, site: FederationSite, provider: ProviderRow): Promise<Response> {
  if (provider.kind !== 'saml') throw new FederationError('saml_no_response')
  const form = await readForm(c.req.raw, MOST_RESPONSE_BYTES)
  const library = await loadSaml()
  const options = { response: form?.one('SAMLResponse') ?? '', now: site.now() }
  const answer = await library.readSamlResponse(provider, selfOf(site, provider), options)
  if (answer.asked === undefined && !library.takesUnsolicited(provider))
    throw new FederationError('saml_unsolicited')
  await useOnce(site, `saml:${provider.id}:${answer.assertionId}`, answer.expiresAt)
  if (answer.asked === undefined)
    return admitSaid(site, c, provider, answer.said, { next: `${site.base}/account` })
  const ticket = await keepAnswer(site, provider, answer)
  return redirectTo(`${site.base}/federation/${provider.id}/finish?ticket=${ticket}`)
}

async function answerSaml(c: Ask, site: FederationSite, provider: ProviderRow): Promise<Response> {
  const answer = await takeAnswer(site, provider, c.req.query('ticket') ?? '')
  const key = answer?.asked ?? ''
  const pending = answer && recall(site, c, provider, key)
  if (!answer || !pending || pending.saml !== key) throw new FederationError('not_this_browser')
  // One who was to sign in anew has done so since.
  if (pending.isFresh && (answer.said.authenticatedAt ?? 0) < pending.beganAt - 60_000)
    throw new FederationError('sign_in_stale')
  const { next, isFresh } = pending
  return admitSaid(site, c, provider, answer.said, { next, key, isFresh })
}

/** What names a message is taken once, on whatever node. */
async function useOnce(
  { store }: Pick<FederationSite, 'store'>,
  id: string,
  expiresAt: number,
): Promise<void> {
  const first = await store.write(tx =>
    tx
      .insertInto('replay')
      .values({ id: hashSecret(id), expiresAt })
      .onConflict(conflict => conflict.doNothing())
      .returning('id')
      .executeTakeFirst(),
  )
  if (!first) throw new FederationError('replayed')
}

async function keepAnswer(
  { store, now }: FederationSite,
  provider: ProviderRow,
  answer: SamlAnswer,
): Promise<string> {
  const ticket = randomBytes(24).toString('base64url')
  const id = hashSecret(ticket)
  const payload = store.secrets.seal(JSON.stringify(answer), `${TICKET}:${provider.id}:${id}`)
  const nothing = { grantId: null, uid: null, userCode: null, consumedAt: null }
  await store.write(tx =>
    tx
      .insertInto('oauthState')
      .values({ model: TICKET, id, payload, expiresAt: now() + TICKET_MS, ...nothing })
      .execute(),
  )
  return ticket
}

async function takeAnswer(
  { store, now }: FederationSite,
  provider: ProviderRow,
  ticket: string,
): Promise<SamlAnswer | undefined> {
  const id = hashSecret(ticket)
  const row = await store.write(tx =>
    tx
      .deleteFrom('oauthState')
      .where('model', '=', TICKET)
      .where('id', '=', id)
      .where('expiresAt', '>', now())
      .returning('payload')
      .executeTakeFirst(),
  )
  return row && (JSON.parse(store.secrets.open(row.payload, `${TICKET}:${provider.id}:${id}`)) as SamlAnswer)
}

async function showMetadata(c: Ask, site: FederationSite, provider: ProviderRow): Promise<Response> {
  if (provider.kind !== 'saml') return gone(c)
  const xml = (await loadSaml()).samlMetadata(provider, selfOf(site, provider))
  const headers = { 'content-type': 'application/samlmetadata+xml', 'x-content-type-options': 'nosniff' }
  return new Response(xml, { headers })
}

/** The end of a sign-out that began here, or a sign-out that begins at the provider. */
async function answerLogout(c: Ask, site: FederationSite, provider: ProviderRow): Promise<Response> {
  if (provider.kind !== 'saml') return gone(c)
  if (c.req.query('SAMLResponse') !== undefined) return redirectTo(`${site.base}/sign-in`)
  const query = (c.env.incoming.url ?? '').split('?')[1] ?? ''
  const options = { query, now: site.now() }
  const logout = await (await loadSaml()).readSamlLogout(provider, selfOf(site, provider), options)
  const message = { id: `saml-logout:${provider.id}:${logout.id}`, expiresAt: site.now() + 24 * 60 * 60_000 }
  await takeSignOut(site, provider, message, { subject: logout.subject, sid: logout.sessionIndex })
  return redirectTo(await logout.answer())
}

/** OpenID Connect Back-Channel Logout 1.0: the provider itself tells, without any browser. */
async function backchannelLogout(c: Ask, site: FederationSite): Promise<Response> {
  const answer = (status: number, error?: string) =>
    new Response(error === undefined ? null : JSON.stringify({ error }), {
      status,
      headers: {
        'cache-control': 'no-store',
        ...(error !== undefined && { 'content-type': 'application/json' }),
      },
    })
  const provider = await findProvider(site.store.db, c.req.param('provider') ?? '')
  if (provider?.kind !== 'oidc') return answer(404, 'invalid_request')
  const address = site.addressOf(c.env.incoming)
  const tries = triesOf(site, c)
  if (!(await site.limit.take(tries))) return answer(429, 'temporarily_unavailable')
  try {
    const token = (await readForm(c.req.raw))?.one('logout_token') ?? ''
    const { readLogoutToken } = await import('./logout-token.ts')
    const options = { now: site.now(), keysAt: site.keysAt }
    const { jti, expiresAt, sub, sid } = await readLogoutToken(opened(site, provider), token, options)
    const message = { id: `logout-token:${provider.id}:${jti}`, expiresAt }
    await takeSignOut(site, provider, message, { subject: sub, sid })
    await site.limit.forgive(tries)
    return answer(200)
  } catch (fault) {
    if (!(fault instanceof FederationError)) throw fault
    const detail = { reason: fault.reason, provider: provider.id, address }
    await site.note(provider.organizationId, 'identity_provider.logout_refused', provider.id, detail)
    return answer(400, 'invalid_request')
  }
}

/** Ends what a sign-out is about, once and on record, as one change: a message that failed here may come again. */
async function takeSignOut(
  { store, now }: FederationSite,
  provider: ProviderRow,
  message: { id: string; expiresAt: number },
  whose: SignedOut,
): Promise<void> {
  const actor = { id: provider.id, name: provider.name, permissions: [] }
  await asOneChange({ store, now, actor }, [provider.organizationId], async ctx => {
    await useOnce(ctx, message.id, message.expiresAt)
    const ended = await endFromProvider(ctx, provider, whose)
    const event = { organization: provider.organizationId, type: 'identity_provider.signed_out' }
    await ctx.store.write(tx =>
      record(tx, { ...event, actor: provider.id, target: provider.id, detail: { ...ended } }, now()),
    )
  })
}
