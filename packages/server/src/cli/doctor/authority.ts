import * as z from 'zod'
import type { Session } from '../session.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url(), token_endpoint: z.url() })
const Jwks = z.object({ keys: z.array(z.object({ kid: z.string() })) })
const SKEW_MS = 2_000
const MOST_SKEW_MS = 10_000
const SLOW_MS = 250
const OLD_DAYS = 180
const DAY_MS = 86_400_000

/** What anybody sees of the authority: its address, its name, its clock. */
export async function checkAuthority({ context, io }: Session): Promise<Finding[]> {
  const { url } = context
  const findings: Finding[] = []
  const { protocol, hostname } = new URL(url)
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  if (protocol === 'https:') findings.push(ok('address', `${url} is https`))
  else if (isHere) findings.push(ok('address', `${url} is on this machine`))
  else
    findings.push(
      fail('address', `${url} is not https`, 'Put TLS in front, and set the issuer to the https address.'),
    )
  const response = await io.fetch(new Request(`${url}/.well-known/oauth-authorization-server`))
  const metadata = Metadata.safeParse(await response.json().catch(() => undefined))
  findings.push(checkClock(response.headers.get('date'), io.now()))
  if (!metadata.success) {
    const found = `${url} answers ${response.status}, without the metadata of an authority`
    return [
      ...findings,
      fail('issuer', found, 'Is VALETKEY_URL the address of the authority, without a path?'),
    ]
  }
  const { issuer } = metadata.data
  findings.push(
    issuer === url
      ? ok('issuer', `calls itself ${issuer}, everywhere`)
      : fail(
          'issuer',
          `calls itself ${issuer}, and is reached as ${url}`,
          `Use ${issuer}, or set VALETKEY_ISSUER=${url} there.`,
        ),
  )
  return findings
}

/** Proofs and assertions compare clocks: what is ten seconds ahead is refused. */
function checkClock(date: string | null, now: number): Finding {
  const ahead = now - Date.parse(date ?? '')
  if (Number.isNaN(ahead))
    return warn('clock', 'the authority does not say its time', 'Does a proxy take its Date header away?')
  // The header counts whole seconds.
  const off = Math.max(0, Math.abs(ahead) - 1_000)
  const found = `this machine is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} the authority`
  if (off > MOST_SKEW_MS) return fail('clock', found, 'Set the clock: what agents here sign is refused.')
  return off > SKEW_MS
    ? warn('clock', found, 'Let NTP set the clock.')
    : ok('clock', 'the same as the authority’s')
}

/** Who asks, and how the node is that answers. */
export async function checkNode({ api }: Session): Promise<Finding[]> {
  const { name, dev } = await api.session.whoami({})
  const { database, evidence, mail } = await api.installation.status({})
  const { kind, answersInMs, aheadMs } = database
  const findings = [ok('sign-in', `as ${name}`)]
  if (dev) findings.push(warn('sign-in', 'this is "valetkey dev"', 'Use "valetkey serve" where it counts.'))
  findings.push(
    answersInMs > SLOW_MS
      ? warn(
          'database',
          `${kind} takes ${answersInMs} ms for the least`,
          'Look at its load and the way to it.',
        )
      : ok('database', `${kind} answers in ${answersInMs} ms`),
  )
  if (Math.abs(aheadMs) > SKEW_MS)
    findings.push(
      fail(
        'database',
        `its clock is ${aheadMs} ms ahead of the node’s`,
        'Let NTP set both: leases compare them.',
      ),
    )
  const { outbox, missing, conflicts } = evidence
  if (conflicts > 0)
    findings.push(
      fail(
        'evidence',
        `${conflicts} records came again with other content`,
        'Was a spool copied? valetkey audit says which.',
      ),
    )
  if (missing > 0)
    findings.push(
      warn(
        'evidence',
        `${missing} records have not arrived`,
        'valetkey point ls shows whose; they ship what they have once they can.',
      ),
    )
  findings.push(
    outbox > 1_000
      ? warn(
          'evidence',
          `${outbox} changes wait to be moved into it`,
          'Look at the disk and the log of the authority.',
        )
      : ok('evidence', `${outbox} changes wait to be moved into it`),
  )
  findings.push(
    mail.on
      ? ok('mail', 'leaves')
      : warn(
          'mail',
          'is off: no mailed links, no new passwords by mail',
          'Set VALETKEY_MAIL_URL and VALETKEY_MAIL_FROM.',
        ),
  )
  return findings
}

/** The keys that tokens are signed with, and whether enforcement points can read them. */
export async function checkSigningKeys({ api, context, io }: Session): Promise<Finding[]> {
  const { items } = await api.signingKeys.list({})
  const response = await io.fetch(new Request(`${context.url}/jwks`))
  const published = Jwks.safeParse(await response.json().catch(() => undefined)).data?.keys ?? []
  const active = items.find(({ status }) => status === 'active')
  if (!active) return [fail('signing keys', 'none signs', 'valetkey key rotate')]
  const hidden = items.filter(
    ({ kid, status }) => status !== 'retired' && !published.some(key => key.kid === kid),
  )
  if (hidden.length > 0)
    return [
      fail(
        'signing keys',
        `${hidden.length} are not at ${context.url}/jwks`,
        'Does a cache in front keep an old answer?',
      ),
    ]
  const days = Math.floor((io.now() - Date.parse(active.signsFrom ?? active.createdAt)) / DAY_MS)
  return [
    days > OLD_DAYS
      ? warn(
          'signing keys',
          `the same key has signed for ${days} days`,
          'valetkey key rotate: no restart, no refused token.',
        )
      : ok('signing keys', `${published.length} published, the present one for ${days} days`),
  ]
}
