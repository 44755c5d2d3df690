import { describeServer } from '@valetkey/sdk/agent'
import { allPages, type Session } from '../session.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const WAIT_MS = 5_000

/** Guards and gateways: whether they hear the authority, and have the newest policy. */
export async function checkPoints({ api }: Session): Promise<Finding[]> {
  const points = await allPages(page => api.points.list(page))
  const live = points.filter(point => point.live)
  const silent = points.filter(point => !point.live)
  const findings: Finding[] = []
  if (points.length === 0)
    return [
      warn(
        'points',
        'no guard or gateway has ever registered',
        'valetkey server key create NAME, then start one.',
      ),
    ]
  if (silent.length > 0)
    findings.push(
      warn(
        'points',
        `${silent.length} of ${points.length} do not hear the authority and refuse every call: ${namesOf(silent)}`,
        'Are they stopped for good? Else look at their log and the way to the authority.',
      ),
    )
  for (const { id, gaps } of points)
    if (gaps > 0)
      findings.push(
        warn(
          'points',
          `${id} has ${gaps} gaps in its records`,
          'Was its spool lost? Its records before are all there are.',
        ),
      )
  if (live.length === 0) return findings
  const { complete, elapsedMs, points: heard } = await api.points.wait({ waitMs: WAIT_MS })
  const late = heard.filter(({ outcome }) => outcome === 'waiting')
  findings.push(
    complete
      ? ok('feed', `${live.length} points have the newest policy, after ${Math.round(elapsedMs)} ms`)
      : fail(
          'feed',
          `${late.length} points have not confirmed the newest policy within ${WAIT_MS / 1000} s: ${namesOf(late)}`,
          'They will refuse when their lease ends. Look at their log.',
        ),
  )
  return findings
}

/** Each MCP server as a client meets it: does it name this authority, and itself as it is registered? */
export async function checkServers({ api, context }: Session): Promise<Finding[]> {
  const servers = await allPages(page => api.servers.list(page))
  const findings = servers.map(async ({ name, url }): Promise<Finding> => {
    const check = `server ${name}`
    try {
      const { issuers, resource } = await describeServer(url)
      if (!issuers.includes(context.url))
        return fail(
          check,
          `sends clients to ${issuers.join(', ')}`,
          'Its guard or gateway belongs to another authority.',
        )
      if (resource !== url)
        return fail(
          check,
          `calls itself ${resource}, registered is ${url}`,
          'Tokens are for one of the two: valetkey server set it.',
        )
      return ok(check, `${url} asks for tokens of this authority`)
    } catch (fault) {
      const found = fault instanceof Error ? fault.message : `${url} cannot be read`
      return warn(check, found, 'Does its guard or gateway run, and is it reached from here?')
    }
  })
  return Promise.all(findings)
}

function namesOf(points: readonly { id: string }[]): string {
  const some = points.slice(0, 5).map(({ id }) => id)
  return some.join(', ') + (points.length > some.length ? ', …' : '')
}
