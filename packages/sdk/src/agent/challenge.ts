/** What a server asks for where it refuses (RFC 6750 §3, RFC 9728 §5.1, RFC 9449 §7.1). */
export interface Challenge {
  scheme: string
  error: string | undefined
  description: string | undefined
  scope: string | undefined
  resourceMetadata: string | undefined
}

const SCHEMES = ['bearer', 'dpop']
const PARAMETER = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/
const SCHEME = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)(?=\s|,|$)/

/** Reads the challenges of a response that concern tokens; what cannot be read is passed over. */
export function readChallenges(headers: Headers): Challenge[] {
  const found: Challenge[] = []
  let rest = headers.get('www-authenticate') ?? ''
  let parameters: Record<string, string> = {}
  while (rest.trim() !== '') {
    const parameter = PARAMETER.exec(rest)
    const scheme = parameter ? null : SCHEME.exec(rest)
    const match = parameter ?? scheme
    if (!match) break
    rest = rest.slice(match[0].length)
    const name = (match[1] ?? '').toLowerCase()
    if (parameter) parameters[name] ??= match[3] ?? (match[2] ?? '').replace(/\\(.)/g, '$1')
    else {
      parameters = {}
      found.push(challengeOf(name, parameters))
    }
  }
  return found.filter(({ scheme }) => SCHEMES.includes(scheme))
}

function challengeOf(scheme: string, parameters: Record<string, string>): Challenge {
  return {
    scheme,
    get error() {
      return parameters['error']
    },
    get description() {
      return parameters['error_description']
    },
    get scope() {
      return parameters['scope']
    },
    get resourceMetadata() {
      return parameters['resource_metadata']
    },
  }
}
