import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import type { Told } from './receiver-partner.ts'
import { CAEP, openStage, POLL, PUSH, SSF, sessionOf } from './stage.ts'

const stage = await openStage()
const { site, partner, receiver, pushTo, granted, told } = stage
afterAll(stage.close)
beforeEach(stage.reset)

test('the metadata names what there is, and the keys are RSA of their own', async () => {
  const response = await fetch(`${site.url}/.well-known/ssf-configuration`)
  expect(await response.json()).toMatchObject({
    ...{ spec_version: '1_0', issuer: site.url, delivery_methods_supported: [PUSH, POLL] },
    ...{ configuration_endpoint: `${site.url}/signals/streams`, default_subjects: 'ALL' },
  })
  const { keys } = (await (await fetch(`${site.url}/signals/jwks.json`)).json()) as { keys: object[] }
  expect(keys).toEqual([expect.objectContaining({ kty: 'RSA', alg: 'RS256', use: 'sig' })])
  expect(keys[0]).not.toHaveProperty('d')
  const tokens = (await (await fetch(`${site.url}/jwks`)).json()) as { keys: { kty: string }[] }
  expect(tokens.keys.some(({ kty }) => kty === 'RSA')).toBe(false)
})

test('verification, status and configuration as SSF has them', async () => {
  const crm = await receiver()
  const { body: stream } = await crm.call('POST', '/streams', { delivery: pushTo(), description: 'ours' })
  const { stream_id } = stream
  expect(await crm.call('POST', '/streams', {})).toMatchObject({ status: 409 })
  expect(await crm.call('GET', '/streams')).toMatchObject({ status: 200, body: [{ stream_id }] })
  expect(await crm.call('GET', `/streams?stream_id=${stream_id}`)).toMatchObject({ body: { stream_id } })
  expect(await crm.call('GET', '/streams?stream_id=stm_other')).toMatchObject({ status: 404 })
  expect(await crm.call('POST', '/verify', { stream_id, state: 'abc' })).toMatchObject({ status: 204 })
  expect(await told(1)).toMatchObject([
    { sub_id: { format: 'opaque', id: stream_id }, events: { [`${SSF}verification`]: { state: 'abc' } } },
  ])
  expect(await crm.call('POST', '/verify', { stream_id })).toMatchObject({ status: 429 })

  const paused = { stream_id, status: 'paused', reason: 'holiday' }
  expect(await crm.call('POST', '/status', paused)).toMatchObject({ status: 200, body: paused })
  expect(await crm.call('GET', `/status?stream_id=${stream_id}`)).toMatchObject({ status: 200, body: paused })
  const { grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  await vi.waitFor(async () => {
    const [row] = (await site.api.signalReceivers.list({})).items.filter(({ id }) => id === crm.id)
    expect(row?.stream?.waiting).toBe(1)
  })
  expect(partner.told).toHaveLength(1)
  await crm.call('POST', '/status', { stream_id, status: 'enabled' })
  expect(sessionOf((await told(2))[1] as Told)).toBe(grant)

  const narrow = {
    stream_id,
    events_requested: [`${CAEP}credential-change`, `${CAEP}device-compliance-change`],
  }
  const patched = await crm.call('PATCH', '/streams', narrow)
  expect(patched.body).toMatchObject({
    ...{ events_delivered: [`${CAEP}credential-change`], description: 'ours' },
    delivery: { method: PUSH },
  })
  const put = await crm.call('PUT', '/streams', { stream_id, delivery: { method: POLL } })
  expect(put.body.delivery.method).toBe(POLL)
  expect(put.body.events_delivered).toHaveLength(4)
  expect(put.body).not.toHaveProperty('description')
  expect(await crm.call('DELETE', `/streams?stream_id=${stream_id}`)).toMatchObject({ status: 204 })
  expect(await crm.call('GET', '/streams')).toMatchObject({ status: 200, body: [] })
  await crm.drop()
})

test('an administrator sets a stream up, pauses it with a word to the receiver, and stops it for good', async () => {
  const siem = await receiver()
  const endpoint = `${partner.origin}/siem`
  const authorization = 'Splunk abc'
  await site.api.signalStreams.start({
    receiver: siem.name,
    endpoint,
    authorization,
    events: ['session-revoked'],
  })
  await site.api.signalStreams.verify({ receiver: siem.name })
  await told(1)
  await site.api.signalStreams.update({ receiver: siem.name, status: 'disabled', reason: 'contract ended' })
  expect((await told(2))[1]?.events).toEqual({
    [`${SSF}stream-updated`]: { status: 'disabled', reason: 'contract ended' },
  })
  const { grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  await site.api.signalStreams.update({ receiver: siem.name, status: 'enabled' })
  await site.api.signalStreams.verify({ receiver: siem.name })
  const after = await told(4)
  expect(after.map(sessionOf)).not.toContain(grant)
  expect(partner.headers.every(header => header['authorization'] === authorization)).toBe(true)
  const { id } = siem
  expect(JSON.stringify((await site.api.signalReceivers.list({})).items)).not.toContain(authorization)
  expect((await site.api.signalReceivers.remove({ receiver: id })).stream?.status).toBe('enabled')
  expect(await siem.call('GET', '/streams')).toMatchObject({ status: 401 })
})

test('we go only where an administrator lets the receiver have us go', async () => {
  const ours = await receiver()
  const fetches = await receiver({ pushes: false })
  for (const endpoint_url of [
    'http://169.254.169.254/latest',
    'http://127.0.0.1:1/events',
    'https://siem.example.com/events',
    `${partner.origin.replace('127.0.0.1', 'user@127.0.0.1')}/events`,
    'file:///etc/passwd',
    'not an address',
  ])
    for (const one of [ours, fetches]) {
      const answer = await one.call('POST', '/streams', { delivery: { method: PUSH, endpoint_url } })
      expect(answer, endpoint_url).toMatchObject({ status: 400 })
    }
  for (const pushOrigin of [`${partner.origin}/path`, 'http://siem.example.com', 'https://u:p@siem.test'])
    await expect(
      site.api.signalReceivers.create({ organization: 'northwind', name: 'bad', pushOrigin }),
    ).rejects.toMatchObject({ status: 400 })
})

test('nobody without a token learns or changes anything', async () => {
  const ours = await receiver()
  const bare = await fetch(`${site.url}/signals/streams`)
  const metadata = `${site.url}/.well-known/oauth-protected-resource/signals`
  const challenge = `Bearer resource_metadata="${metadata}", scope="ssf.read"`
  expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, challenge])
  const inUrl = await fetch(`${site.url}/signals/streams?access_token=${ours.token}`)
  expect(inUrl.status).toBe(401)
  const huge = 'x'.repeat(300_000)
  expect(await ours.call('POST', '/streams', { description: huge })).toMatchObject({ status: 413 })
  expect(await ours.call('POST', '/streams', { delivery: { method: 'urn:other' } })).toMatchObject({
    status: 400,
  })
  for (const token of ['vk_signal_guess', ours.secret, `${ours.token}x`, ours.token.replace(/.$/, '')])
    expect(await ours.call('GET', '/streams', undefined, token)).toMatchObject({
      ...{ status: 401, challenge: `${challenge}, error="invalid_token"` },
    })
  await ours.drop()
})
