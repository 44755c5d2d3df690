/** Hides how records travel: to a file, by syslog over TLS, by webhook, by OTLP. */
import { createPost, createReach } from '../../outbound/index.ts'
import { createFileTransport } from './file.ts'
import { createOtlpTransport } from './otlp.ts'
import { createSyslogTransport } from './syslog.ts'
import type { SinkSettings, Transport } from './transport.ts'
import { createWebhookTransport } from './webhook.ts'

export type { Delivery, SinkSettings, Transport } from './transport.ts'

export interface TransportParts {
  /** Hosts that may lie within this network. */
  privateHosts: readonly string[]
  resolve?: ((host: string) => Promise<string[]>) | undefined
  /** Who we are, to a syslog receiver. */
  host: string
  now(): number
}

export function createTransport(settings: SinkSettings, parts: TransportParts): Transport {
  const { privateHosts, resolve, host, now } = parts
  const reach = createReach({ privateHosts, resolve })
  const post = createPost(reach)
  switch (settings.kind) {
    case 'file':
      return createFileTransport(settings)
    case 'syslog':
      return createSyslogTransport(settings, { reach, host })
    case 'webhook':
      return createWebhookTransport(settings, { post, now })
    case 'otlp':
      return createOtlpTransport(settings, { post, now })
  }
}
