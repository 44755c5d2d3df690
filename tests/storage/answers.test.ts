import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cancelWaiting } from '../../packages/server/src/directory/revocation/waiting.ts'
import type { Person } from '../e2e/person.ts'
import { type Answered, type OauthStage, RESOURCE, startStage } from '../integration/oauth-stage.ts'
import { describeOnBoth, freshDirectory } from './databases.ts'

const CIBA = 'urn:openid:params:grant-type:ciba'
const MAYA = 'maya@northwind.test'
let count = 0

/** An agent that asks Maya, and how its request is answered, cancelled and asked for. */
async function asks(stage: OauthStage, maya: Person) {
  const name = `asking-${++count}`
  const { id } = await stage.api.agents.create({ name, owner: MAYA, kind: 'both', ceiling: ['invoices:*'] })
  const { secret } = await stage.api.credentials.create({ agent: id, kind: 'secret' })
  const proof = { client_id: id, client_secret: secret ?? '' }
  const form = { login_hint: MAYA, resource: RESOURCE, scope: 'invoices:read', ...proof }
  const asked = await stage.send('/bc-authorize', form)
  const [request] = (await stage.api.waitingRequests.list({ agent: id })).items
  // Open before anything happens: only the answer is in the race.
  const page = await maya.look(`${stage.url}/waiting/${request?.id}`)
  return {
    agent: id,
    say: (action: 'allow' | 'deny') => maya.answer(page, { action, scope: ['invoices:read'] }),
    /** Whether it was cancelled: a request that is answered is not. */
    cancel: () =>
      stage.api.waitingRequests.cancel({ id: request?.id ?? '', reason: 'not now' }).then(
        () => true,
        fault => {
          expect(fault).toMatchObject({ status: 409 })
          return false
        },
      ),
    grants: async () => (await stage.api.grants.list({ agent: id })).items.map(({ status }) => status),
    poll: (): Promise<Answered> =>
      stage.send('/token', { grant_type: CIBA, auth_req_id: String(asked['auth_req_id']), ...proof }),
  }
}

/** Cancels what an agent asks in the very commit after the one in which it has a grant. Says how often that came in time. */
function cancelOnceGranted({ authority: { store } }: OauthStage, agent: string) {
  let isOwn = false
  let cancelled = 0
  const unhook = store.afterCommits(() => {
    if (isOwn) return
    isOwn = true
    void store
      .write(async tx => {
        const grant = await tx
          .selectFrom('grant')
          .select('id')
          .where('agentId', '=', agent)
          .executeTakeFirst()
        if (grant) cancelled += await cancelWaiting(tx, { agent })
      })
      .finally(() => {
        isOwn = false
      })
  })
  return { cancelled: () => cancelled, unhook }
}

describeOnBoth('a yes and a cancellation at the same moment', (_, place) => {
  test('one of them wins, and all that follows says which', async () => {
    const settings = { databaseUrl: await place.newUrl(), dataDirectory: join(freshDirectory(), 'data') }
    const stage = await startStage(settings)
    await using _ = stage
    const maya = await stage.signedUp()
    const won = { yes: 0, cancellation: 0 }
    const judge = async (request: Awaited<ReturnType<typeof asks>>, isCancelled: boolean) => {
      const [answer, grants] = [await request.poll(), await request.grants()]
      if (isCancelled) {
        expect(grants).toEqual([])
        expect(answer).toMatchObject({ status: 400, error: 'access_denied' })
      } else {
        expect(grants).toEqual(['live'])
        expect(answer).toMatchObject({ status: 200, scope: 'invoices:read' })
      }
      won[isCancelled ? 'cancellation' : 'yes']++
    }

    // As soon as anything of a yes can be seen it is taken back: so little time there is between no grant and an answer.
    const first = await asks(stage, maya)
    const watch = cancelOnceGranted(stage, first.agent)
    await first.say('allow')
    watch.unhook()
    await judge(first, watch.cancelled() > 0)

    for (let round = 0; round < 8; round++) {
      const request = await asks(stage, maya)
      const [isCancelled] = await Promise.all([
        new Promise(resolve => setTimeout(resolve, round * 6)).then(request.cancel),
        request.say('allow'),
      ])
      await judge(request, isCancelled)
    }
    const last = await asks(stage, maya)
    const before = await last.cancel()
    await last.say('allow')
    await judge(last, before)
    expect(won.yes + won.cancellation).toBe(10)
    expect(Math.min(won.yes, won.cancellation)).toBeGreaterThan(0)
  })
})
