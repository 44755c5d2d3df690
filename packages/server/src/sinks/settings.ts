import { X509Certificate } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { shapes } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import * as z from 'zod'
import { quote } from '../directory/index.ts'
import type { SinkSettings } from './transport/index.ts'

type Kind = SinkSettings['kind']

/** What each kind can be written in; the first is what it is where nothing is said. */
const KINDS: Record<Kind, { formats: readonly string[]; protocols: readonly string[]; example: string }> = {
  file: {
    formats: ['ocsf', 'record', 'cloudevents', 'cef'],
    protocols: ['file:'],
    example: 'file:///var/log/valetkey.jsonl',
  },
  syslog: {
    formats: ['cef', 'ocsf', 'record'],
    protocols: ['syslog+tls:'],
    example: 'syslog+tls://siem.example.com:6514',
  },
  webhook: {
    formats: ['cloudevents', 'ocsf', 'record'],
    protocols: ['https:'],
    example: 'https://example.com/hooks/valetkey',
  },
  otlp: {
    formats: ['logs', 'spans'],
    protocols: ['https:'],
    example: 'https://otel.example.com/v1/logs',
  },
}

/** Set by ourselves, or not ours to set. */
const OWN_HEADERS = /^(host|content-.*|transfer-encoding|connection|te|trailer|upgrade|webhook-.*)$/i

export function defaultFormat(kind: Kind): string {
  return KINDS[kind].formats[0] ?? ''
}

/** Refuses what cannot be sent, or should not: other schemes, secrets in addresses, headers that are ours. */
export function checkSink({
  kind,
  url,
  format,
  authority,
  headers,
}: Omit<SinkSettings, 'signingSecret'>): void {
  const { formats, protocols, example } = KINDS[kind]
  const parsed = URL.parse(url)
  if (!parsed || !protocols.includes(parsed.protocol))
    throw invalid('url', `Write the address of a ${kind} sink as ${example}.`)
  const { username, password, search, hash, hostname } = parsed
  // Addresses are shown in lists and records.
  if (username || password || search || hash)
    throw invalid('url', 'The address carries a user, a query or a fragment. Send secrets as headers.')
  if (kind !== 'file' && !/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(hostname))
    throw invalid('url', `${quote(hostname)} is not a host.`)
  if (!formats.includes(format))
    throw invalid('format', `A ${kind} sink writes ${formats.join(' or ')}, not ${quote(format)}.`)
  const own = Object.keys(headers).find(name => OWN_HEADERS.test(name))
  if (own !== undefined) throw invalid('headers', `The header ${quote(own)} is not yours to set.`)
  if (Object.keys(headers).length > 0 && kind !== 'webhook' && kind !== 'otlp')
    throw invalid('headers', `A ${kind} sink has no headers.`)
  if (authority !== null) checkAuthority(authority)
}

function checkAuthority(pem: string): void {
  if (pem.includes('PRIVATE KEY'))
    throw invalid(
      'authority',
      'This holds a private key. Send certificates only, and treat this key as leaked.',
    )
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    for (const certificate of certificates) new X509Certificate(certificate)
    if (certificates.length > 0) return
  } catch {
    // Said below.
  }
  throw invalid('authority', 'This is not a certificate. Send one or more as PEM.')
}

function invalid(path: string, sentence: string): AppError {
  return new AppError('request.invalid', sentence, { path })
}

/** A sink of the environment, as the configuration names it. */
const Configured = z.strictObject({
  name: shapes.Slug,
  url: z.string().min(1),
  kind: shapes.SinkKind.optional(),
  format: z.string().optional(),
  takes: shapes.SinkTakes.default(['calls', 'changes', 'alerts']),
  headers: shapes.SinkHeaders.default({}),
  signingSecret: z.string().startsWith('whsec_').nullable().default(null),
  authority: z.string().nullable().default(null),
})

export type ConfiguredSink = SinkSettings & Pick<z.output<typeof Configured>, 'name' | 'takes'>

/**
 * Sinks as they stand in the configuration; undefined where something is wrong with them. Whoever runs the node names
 * them, so they may lie in its own network, and in clear on its own machine.
 */
export function parseSinks(value: unknown): ConfiguredSink[] | undefined {
  const parsed = z.array(Configured).safeParse(value)
  if (!parsed.success) return undefined
  if (new Set(parsed.data.map(({ name }) => name)).size !== parsed.data.length) return undefined
  try {
    return parsed.data.map(toConfigured)
  } catch {
    return undefined
  }
}

function toConfigured({ kind: said, format: wanted, ...rest }: z.output<typeof Configured>): ConfiguredSink {
  const { protocol = '', hostname = '' } = URL.parse(rest.url) ?? {}
  const kind = said ?? (protocol === 'file:' ? 'file' : protocol === 'syslog+tls:' ? 'syslog' : 'webhook')
  const sink = { ...rest, kind, format: wanted ?? defaultFormat(kind) }
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  checkSink(
    protocol === 'http:' && isLoopback ? { ...sink, url: sink.url.replace(/^http:/, 'https:') } : sink,
  )
  if (kind === 'file') fileURLToPath(sink.url)
  return sink
}
