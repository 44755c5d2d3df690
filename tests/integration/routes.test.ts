import { api, type Route } from '@valetkey/sdk/contract'
import { expect, describe as group, test } from 'vitest'
import { ISSUER, start } from './product.ts'

const ROUTES = Object.entries(api).flatMap(([thing, operations]) =>
  Object.entries<Route>(operations).map(([name, route]) => ({ operation: `${thing}.${name}`, route })),
)

function requestFor(route: Route, authorization?: string): Request {
  const path = route.path.replace(/:\w+/g, 'anything')
  const headers = new Headers({ 'content-type': 'application/json' })
  if (authorization !== undefined) headers.set('authorization', authorization)
  const init: RequestInit = { method: route.method, headers }
  if (route.body) init.body = '{'
  return new Request(`${ISSUER}/api${path}`, init)
}

group('401: no route answers someone unknown', () => {
  const wrong = [
    `Bearer vk_api_${'A'.repeat(43)}`,
    'Bearer ',
    'Bearer a b',
    'Basic YWRtaW46YWRtaW4=',
    'vk_api_x',
    `Bearer ${'x'.repeat(8000)}`,
  ]

  test('without a credential, not even with a body that is not JSON', async () => {
    await using product = await start()
    for (const { operation, route } of ROUTES) {
      const response = await product.send(requestFor(route))
      expect(response.status, operation).toBe(401)
      expect(response.headers.get('www-authenticate'), operation).toBe('Bearer realm="valetkey"')
      expect(await response.json(), operation).toMatchObject({ code: 'auth.required', status: 401 })
    }
  })

  test('with a wrong credential', async () => {
    await using product = await start()
    for (const { operation, route } of ROUTES)
      for (const authorization of wrong) {
        const response = await product.send(requestFor(route, authorization))
        expect(response.status, `${operation} ${authorization.slice(0, 30)}`).toBe(401)
        expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"')
      }
  })

  test('nor says which paths and methods exist', async () => {
    await using product = await start()
    for (const [method, path] of [
      ['GET', '/api'],
      ['GET', '/api/'],
      ['GET', '/api/nothing'],
      ['GET', '/api/openapi.json'],
      ['HEAD', '/api/agents'],
      ['OPTIONS', '/api/agents'],
      ['TRACE', '/api/agents'],
      ['GET', `/api/agents?access_token=${product.adminToken}`],
      ['GET', '/api/../api/agents'],
      ['GET', '/api//agents'],
    ] as const) {
      if (method === 'TRACE') continue
      const response = await product.send(new Request(`${ISSUER}${path}`, { method }))
      expect(response.status, `${method} ${path}`).toBe(401)
    }
  })

  test('an expired or revoked token is unknown', async () => {
    await using product = await start()
    const admin = product.client()
    const expiresAt = new Date(product.now() + 60_000).toISOString()
    const { token: short } = await admin.apiTokens.create({ name: 'short', permissions: ['*'], expiresAt })
    const { id, token: taken } = await admin.apiTokens.create({ name: 'taken', permissions: ['*'] })
    const asks = (token: string | null) => product.clientWith(() => token ?? '').session.whoami({})
    await expect(asks(short)).resolves.toMatchObject({ name: 'short' })
    await expect(asks(taken)).resolves.toMatchObject({ name: 'taken' })
    product.passTime(60_000)
    await admin.apiTokens.revoke({ id })
    await expect(asks(short)).rejects.toMatchObject({ status: 401, code: 'auth.invalid' })
    await expect(asks(taken)).rejects.toMatchObject({ status: 401, code: 'auth.invalid' })
  })
})

test('403: every route asks for its own permission', async () => {
  await using product = await start()
  for (const { operation, route } of ROUTES) {
    if (route.permission === 'self:read') continue
    const other = route.permission.startsWith('person:') ? 'server:write' : 'person:write'
    const { token } = await product.client().apiTokens.create({ name: 'other', permissions: [other] })
    const response = await product.send(requestFor(route, `Bearer ${token}`))
    expect(response.status, operation).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'permission.denied' })
  }
})

test('403: reading is not enough to write, and writing is enough to read', async () => {
  await using product = await start()
  await product.client().organizations.create({ slug: 'northwind', name: 'Northwind' })
  const reader = product.client('organization:read')
  await expect(reader.organizations.freeze({ id: 'northwind' })).rejects.toMatchObject({ status: 403 })
  const writer = product.client('organization:write')
  expect((await writer.organizations.list({})).items).toHaveLength(1)
})

test('404: an unknown path, once the caller is known', async () => {
  await using product = await start()
  expect(await product.request('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } })
  expect(await product.request('DELETE', '/agents')).toMatchObject({ status: 404 })
})

test('200: OpenAPI describes every operation, and no answer may be cached', async () => {
  await using product = await start()
  const { body, headers } = await product.request('GET', '/openapi.json')
  const described = Object.values<Record<string, { operationId: string }>>(body.paths).flatMap(path =>
    Object.values(path).map(({ operationId }) => operationId),
  )
  expect(described.sort()).toEqual(ROUTES.map(({ operation }) => operation).sort())
  expect(headers.get('cache-control')).toBe('no-store')
})

test('a problem is a document of RFC 9457 with the id under which the log has it', async () => {
  await using product = await start()
  const { status, headers, body } = await product.request('GET', '/agents/nobody')
  expect(status).toBe(400)
  expect(headers.get('content-type')).toBe('application/problem+json')
  expect(body).toEqual({
    type: 'urn:valetkey:error:request.invalid',
    title: 'The request does not have the form that the operation takes.',
    status: 400,
    code: 'request.invalid',
    detail: 'There is no organization yet. Create one first.',
    instance: headers.get('x-request-id'),
  })
})
