import * as z from 'zod'
import { AppError } from '../../core/index.ts'
import { type Asking, ask } from '../ask.ts'
import { type Issued, requestBy } from '../token-request.ts'
import type { Asked } from './browser.ts'
import { pollUntilAnswered } from './poll.ts'

/** Is told by the authority, wherever they are, and answers there. */
export interface ByBackchannel {
  /** Who is asked, as `maya@northwind.dev`. */
  person: string
  /** What they see beside the request, so that they know which one it is. */
  message?: string
}

const Begun = z.object({
  auth_req_id: z.string().min(1),
  expires_in: z.number().positive(),
  interval: z.number().positive().optional(),
})

/** Client-initiated backchannel authentication, by polling (OpenID CIBA Core 1.0). */
export async function askByBackchannel(asking: Asking, by: ByBackchannel, asked: Asked): Promise<Issued> {
  const { issuer, backchannelEndpoint } = asking.authority
  const { resource, scope, signal } = asked
  if (backchannelEndpoint === undefined)
    throw new AppError('config.invalid', `${issuer} does not ask people who are not at the screen.`)
  const fields = { scope, resource, login_hint: by.person, binding_message: by.message }
  const begun = await ask(asking, backchannelEndpoint, fields, Begun, `a question to ${by.person}`)
  const form = {
    ...{ grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: begun.auth_req_id },
    resource,
  }
  return pollUntilAnswered(() => requestBy(asking, form), {
    interval: begun.interval,
    expiresIn: begun.expires_in,
    signal,
  })
}
