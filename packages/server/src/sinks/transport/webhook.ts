import { createHmac } from 'node:crypto'
import { sha256 } from '@valetkey/sdk/evidence'
import type { Post } from '../../outbound/index.ts'
import { type Exported, type Format, jsonLine, toJson } from '../format/index.ts'
import { toDelivery } from './post.ts'
import { type SinkSettings, TIME_LIMIT_MS, type Transport } from './transport.ts'

const MOST_BYTES = 64 * 1024

const TYPES: Record<string, string> = {
  cloudevents: 'application/cloudevents-batch+json',
  ocsf: 'application/json',
  record: 'application/json',
}

/**
 * Posts batches as a JSON array, signed as Standard Webhooks has it: HMAC-SHA-256 over id, time and body. The id rests on
 * what is in the batch, so that one that is sent again is known by it.
 */
export function createWebhookTransport(
  settings: SinkSettings,
  { post, now }: { post: Post; now(): number },
): Transport {
  const { url, format, headers, authority, signingSecret } = settings
  const target = new URL(url)
  return async records => {
    const events = records.map(record => toJson(record, format as Exclude<Format, 'cef'>, MOST_BYTES))
    const body = `[${events.map(jsonLine).join(',')}]`
    const id = idOf(records)
    const seconds = Math.floor(now() / 1000)
    const answer = await post(target, {
      headers: {
        ...headers,
        'content-type': TYPES[format] ?? 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        ...(signingSecret !== null && {
          'webhook-signature': sign(signingSecret, `${id}.${seconds}.${body}`),
        }),
      },
      body,
      timeoutMs: TIME_LIMIT_MS,
      ca: authority ?? undefined,
    })
    return toDelivery(answer, now())
  }
}

function idOf(records: readonly Exported[]): string {
  const places = records.map(({ place }) => `${place.log} ${place.index}`)
  return `msg_${sha256(places.join('\n')).toString('base64url', 0, 18)}`
}

function sign(secret: string, text: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(text).digest('base64')}`
}
