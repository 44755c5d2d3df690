import * as z from 'zod'
import { AppError } from '../../core/index.ts'
import { type Asking, ask } from '../ask.ts'
import { type Issued, requestBy } from '../token-request.ts'
import type { Asked } from './browser.ts'
import { pollUntilAnswered } from './poll.ts'

/** What the person types on another device, and where. */
export interface DeviceCode {
  userCode: string
  verificationUri: string
  /** The same with the code in it, where the authority gives one: for a QR code. */
  verificationUriComplete: string | undefined
  expiresInSeconds: number
}

/** Answers on another device, by a code that is shown here. */
export interface ByDevice {
  device(shown: DeviceCode): unknown
}

const Begun = z.object({
  device_code: z.string().min(1),
  user_code: z.string().min(1),
  verification_uri: z.url(),
  verification_uri_complete: z.url().optional(),
  expires_in: z.number().positive(),
  interval: z.number().positive().optional(),
})

/** Device authorization (RFC 8628). */
export async function askByDevice(asking: Asking, by: ByDevice, asked: Asked): Promise<Issued> {
  const { issuer, deviceEndpoint } = asking.authority
  const { resource, scope, signal } = asked
  if (deviceEndpoint === undefined)
    throw new AppError('config.invalid', `${issuer} does not offer sign-in on another device.`)
  const fields = { client_id: asking.clientId, scope, resource }
  const begun = await ask(asking, deviceEndpoint, fields, Begun, 'a code for another device')
  await by.device({
    userCode: begun.user_code,
    verificationUri: begun.verification_uri,
    verificationUriComplete: begun.verification_uri_complete,
    expiresInSeconds: begun.expires_in,
  })
  const form = {
    ...{ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: begun.device_code },
    resource,
  }
  return pollUntilAnswered(() => requestBy(asking, form), {
    interval: begun.interval,
    expiresIn: begun.expires_in,
    signal,
  })
}
