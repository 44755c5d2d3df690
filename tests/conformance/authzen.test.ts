import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuthzenStand, ISSUER, openAuthzenStand } from './authzen-fixture.ts'

/** The certification scenario of the Authorization API 1.0: ids in the names are those of its sections. */

let stand: AuthzenStand
beforeAll(async () => {
  stand = await openAuthzenStand()
})
afterAll(() => stand[Symbol.asyncDispose]())

const ALICE = { type: 'user', id: 'alice' }
const BOB = { type: 'user', id: 'bob' }
const ADMIN_BOB = { ...BOB, properties: { role: 'admin' } }
const [READ, WRITE] = [{ name: 'read' }, { name: 'write' }]
const record = (n: number, status?: string) => ({
  type: 'record',
  id: `record-${n}`,
  ...(status !== undefined && { properties: { status } }),
})
const FIRST = { subject: ALICE, action: READ, resource: record(1) }

const evaluate = (body: unknown, headers?: Record<string, string>) => stand.ask('/evaluation', body, headers)
const batch = (body: unknown) => stand.ask('/evaluations', body)
const search = (what: string, body: unknown) => stand.ask(`/search/${what}`, body)
const without = (body: Record<string, unknown>, key: string) =>
  Object.fromEntries(Object.entries(body).filter(([name]) => name !== key))

describe('evaluation', () => {
  const DECISIONS: [id: string, body: object, decision: boolean][] = [
    ['c-2-2-1 a permit', FIRST, true],
    ['c-2-2-2 a denial', { subject: BOB, action: WRITE, resource: record(1) }, false],
    [
      'c-2-2-3 with a context',
      { ...FIRST, context: { time: '2025-06-27T18:03-07:00', ip: '10.0.0.1' } },
      true,
    ],
    ['c-2-2-4 archived', { subject: ALICE, action: WRITE, resource: record(2, 'archived') }, false],
    [
      'c-2-2-5 an administrator',
      { subject: ADMIN_BOB, action: WRITE, resource: record(2, 'archived') },
      true,
    ],
    [
      'c-2-2-6 a soft delete',
      { subject: ALICE, action: { name: 'delete', properties: { soft: true } }, resource: record(1) },
      true,
    ],
    [
      'c-2-2-7 a hard delete',
      { subject: ALICE, action: { name: 'delete', properties: { soft: false } }, resource: record(1) },
      false,
    ],
    [
      'c-2-2-8 with other properties',
      {
        subject: { ...ALICE, properties: { department: 'Sales', role: 'manager' } },
        action: { ...READ, properties: { method: 'GET' } },
        resource: { ...record(1), properties: { status: 'active', owner: 'bob' } },
      },
      true,
    ],
    ['c-2-2-9 with members nobody knows', { ...FIRST, foo: 'bar', later: { nested: true } }, true],
    ['c-1-4 alice writes', { subject: ALICE, action: WRITE, resource: record(1) }, true],
    ['c-1-4 bob reads', { subject: BOB, action: READ, resource: record(1) }, true],
  ]

  test.each(DECISIONS)('%s', async (_, body, decision) => {
    const { status, headers, body: answer } = await evaluate(body)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(answer.decision, 'c-2-3-1').toBe(decision)
    expect(answer.context, 'c-2-3-2').toBeTypeOf('object')
  })

  test('c-1-6 what is in the context alters none of the decisions', async () => {
    for (const [id, body, decision] of DECISIONS)
      for (const context of [null, {}, { role: 'admin', status: 'archived', soft: false }])
        expect((await evaluate({ ...body, context })).body.decision, id).toBe(decision)
  })

  test('who or what is not known is denied', async () => {
    const unknown = [
      { ...FIRST, subject: { type: 'user', id: 'carol' } },
      { ...FIRST, subject: { type: 'spaceship', id: 'alice' } },
      { ...FIRST, resource: record(9) },
      { ...FIRST, resource: { type: 'planet', id: 'record-1' } },
      { ...FIRST, action: { name: 'paint' } },
      { ...FIRST, action: { name: 'record:paint' } },
    ]
    for (const body of unknown) {
      const { status, body: answer } = await evaluate(body)
      expect(status).toBe(200)
      expect(answer.decision).toBe(false)
    }
  })

  test('an action goes by its permission or by what follows the colon; a subject by our id too', async () => {
    const { items } = await stand.admin.people.list({})
    const alice = items.find(person => person.externalId === 'alice')
    expect(alice?.email).toBe('')
    for (const name of ['read', 'record:read'])
      for (const type of ['user', 'identity'])
        for (const id of ['alice', alice?.id])
          expect((await evaluate({ ...FIRST, action: { name }, subject: { type, id } })).body.decision).toBe(
            true,
          )
  })

  test.each(['subject', 'action', 'resource'])('c-2-4-1 without %s', async key => {
    const { status, text } = await evaluate(without(FIRST, key))
    expect(status).toBe(400)
    expect(text).toContain(key)
  })

  test.each([
    { ...FIRST, subject: { id: 'alice' } },
    { ...FIRST, subject: { type: 'user' } },
    { ...FIRST, action: {} },
    { ...FIRST, resource: { id: 'record-1' } },
    { ...FIRST, resource: { type: 'record' } },
  ])('c-2-4-2 without a part of an entity: %j', async body => {
    expect((await evaluate(body)).status).toBe(400)
  })

  test('c-2-4-3 another content type', async () => {
    expect((await evaluate(FIRST, { 'content-type': 'text/plain' })).status).toBe(400)
  })

  test.each(['{"subject":', '[1', 'null', '7', '[]', '"x"'])('c-2-4-4 no JSON object: %s', async body => {
    expect((await evaluate(body)).status).toBe(400)
  })

  test('c-2-4-5 an empty body', async () => {
    expect((await evaluate('')).status).toBe(400)
  })

  test.each([
    { ...FIRST, subject: 'alice' },
    { ...FIRST, action: { name: 123 } },
    { ...FIRST, resource: [record(1)] },
    { ...FIRST, subject: { ...ALICE, properties: 'admin' } },
    { ...FIRST, context: 'now' },
  ])('c-2-4-6 a member of the wrong type: %j', async body => {
    expect((await evaluate(body)).status).toBe(400)
  })

  test('c-2-5 a request id comes back, and is made where there is none', async () => {
    const echoed = await evaluate(FIRST, { 'x-request-id': 'abc-123' })
    expect(echoed.headers.get('x-request-id')).toBe('abc-123')
    const refused = await evaluate('', { 'x-request-id': 'abc-124' })
    expect(refused.headers.get('x-request-id')).toBe('abc-124')
    expect((await evaluate(FIRST)).headers.get('x-request-id')).toMatch(/^req_/)
  })

  test('c-2-6 the same again is answered the same', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => evaluate(FIRST)))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })

  test('401 and 403: a program says who it is, and must be allowed to ask', async () => {
    const nobody = await evaluate(FIRST, { authorization: 'Bearer vk_api_wrong' })
    expect(nobody.status).toBe(401)
    expect(nobody.headers.get('www-authenticate')).toMatch(/^Bearer /)
    const other = await evaluate(FIRST, { authorization: `Bearer ${await stand.token('agent:read')}` })
    expect(other.status).toBe(403)
    const pep = await evaluate(FIRST, { authorization: `Bearer ${await stand.token('decision:read')}` })
    expect(pep.body.decision).toBe(true)
  })
})

describe('evaluations', () => {
  const decisions = async (body: object) => {
    const { status, body: answer } = await batch(body)
    expect(status).toBe(200)
    expect(answer.decision, 'c-3-3-4').toBeUndefined()
    return answer.evaluations.map(({ decision }: { decision: unknown }) => decision)
  }

  const BATCHES: [
    id: string,
    body: { evaluations: object[] } & Record<string, unknown>,
    expected: boolean[],
  ][] = [
    [
      'c-3-2-1 two resources',
      { subject: ALICE, action: READ, evaluations: [{ resource: record(1) }, { resource: record(2) }] },
      [true, true],
    ],
    [
      'c-3-2-2 two actions, in order',
      { subject: BOB, resource: record(1), evaluations: [{ action: READ }, { action: WRITE }] },
      [true, false],
    ],
    [
      'c-3-2-3 properties of each',
      {
        subject: ALICE,
        action: WRITE,
        evaluations: [{ resource: record(1, 'active') }, { resource: record(2, 'archived') }],
      },
      [true, false],
    ],
    [
      'c-3-2-4 subjects with properties',
      {
        action: WRITE,
        resource: record(2, 'archived'),
        evaluations: [{ subject: ALICE }, { subject: ADMIN_BOB }],
      },
      [false, true],
    ],
    [
      'c-3-2-5 without defaults',
      { evaluations: [FIRST, { subject: BOB, action: WRITE, resource: record(1) }] },
      [true, false],
    ],
    [
      'c-3-2-6 contexts',
      {
        subject: ALICE,
        action: READ,
        context: { time: '2025-06-27T18:03-07:00' },
        evaluations: [{ resource: record(1) }, { resource: record(2), context: { source: 'batch' } }],
      },
      [true, true],
    ],
    [
      'c-3-2-7 an entity replaces the default, but for the name that it leaves out',
      {
        subject: ALICE,
        action: WRITE,
        resource: { type: 'record' },
        evaluations: [
          { resource: { id: 'record-1', properties: { status: 'active' } } },
          { resource: record(2, 'archived') },
        ],
      },
      [true, false],
    ],
    [
      'c-3-2-7 properties of the default are not merged in',
      {
        subject: ADMIN_BOB,
        action: WRITE,
        resource: record(2, 'archived'),
        evaluations: [{}, { subject: ALICE }, { subject: ALICE, resource: record(2) }],
      },
      [true, false, true],
    ],
  ]

  test.each(BATCHES)('%s', async (_, body, expected) => {
    expect(await decisions(body)).toEqual(expected)
  })

  test.each(BATCHES)('%s: a batch answers what its questions would alone', async (_, body, expected) => {
    for (const [i, entry] of body.evaluations.entries()) {
      const one: Record<string, unknown> = { ...without(body, 'evaluations'), ...entry }
      const { type } = { type: 'record', ...(entry as { resource?: object }).resource }
      if ('resource' in entry) one['resource'] = { type, ...(entry.resource as object) }
      expect((await evaluate(one)).body.decision).toBe(expected[i])
    }
  })

  test('c-3-4-1 a question that cannot be read is answered no, the others are answered', async () => {
    const { status, body } = await batch({
      subject: ALICE,
      action: READ,
      evaluations: [{ resource: record(1) }, {}, 'x', { resource: { type: 'record', id: 7 } }],
    })
    expect(status).toBe(200)
    expect(body.evaluations.map(({ decision }: { decision: boolean }) => decision)).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect(body.evaluations[1].context.error).toMatchObject({
      status: 400,
      message: expect.stringContaining('resource'),
    })
  })

  test('c-3-4-2, c-3-4-3 without questions of its own it is one question', async () => {
    expect((await batch(FIRST)).body.decision).toBe(true)
    expect((await batch({ ...FIRST, evaluations: [] })).body.decision).toBe(true)
    expect((await batch({ subject: ALICE, evaluations: [] })).status).toBe(400)
  })

  test('the two short ways end at the answer that decides', async () => {
    const entries = [FIRST, { ...FIRST, action: WRITE, subject: BOB }, FIRST]
    const ask = (semantic: string, evaluations: object[]) =>
      decisions({ evaluations, options: { evaluations_semantic: semantic } })
    expect(await ask('execute_all', entries)).toEqual([true, false, true])
    expect(await ask('deny_on_first_deny', entries)).toEqual([true, false])
    expect(await ask('permit_on_first_permit', entries)).toEqual([true])
    expect(await ask('permit_on_first_permit', entries.slice(1))).toEqual([false, true])
    const wrong = await batch({ evaluations: entries, options: { evaluations_semantic: 'whatever' } })
    expect(wrong.status).toBe(400)
  })
})

describe('search', () => {
  const results = async (what: string, body: object) => {
    const { status, body: answer } = await search(what, body)
    expect(status).toBe(200)
    expect(Object.keys(answer)[0]).toBe('page')
    return answer.results
  }
  const USERS = { type: 'user' }
  const RECORDS = { type: 'record' }

  test('c-4-2-1, c-4-2-2, c-4-2-3 who may read; a given id and a context change nothing', async () => {
    const body = { subject: USERS, action: READ, resource: record(1) }
    expect(await results('subject', body)).toEqual([ALICE, BOB])
    expect(await results('subject', { ...body, context: { ip: '10.0.0.1' } })).toEqual([ALICE, BOB])
    expect(await results('subject', { ...body, subject: { ...USERS, id: 'carol' } })).toEqual([ALICE, BOB])
  })

  test('c-4-2-4 who may write what is archived', async () => {
    const found = await results('subject', { subject: USERS, action: WRITE, resource: record(2, 'archived') })
    expect(found).toEqual([BOB])
  })

  test('c-4-3-1, c-4-3-2 what alice may read', async () => {
    const body = { subject: ALICE, action: READ, resource: RECORDS }
    expect(await results('resource', body)).toEqual([record(1), record(2)])
    expect(await results('resource', { ...body, resource: record(9) })).toEqual([record(1), record(2)])
  })

  test('c-4-3-3 what an administrator may write', async () => {
    expect(await results('resource', { subject: ADMIN_BOB, action: WRITE, resource: RECORDS })).toEqual([
      record(2),
    ])
  })

  test('c-4-4-1, c-4-4-2 what alice may do', async () => {
    const body = { subject: ALICE, resource: record(1) }
    expect(await results('action', body)).toEqual([READ, WRITE])
    expect(await results('action', { ...body, context: {} })).toEqual([READ, WRITE])
  })

  test('c-4-4-3 what an administrator may do with what is archived', async () => {
    expect(await results('action', { subject: ADMIN_BOB, resource: record(2, 'archived') })).toEqual([
      READ,
      WRITE,
    ])
  })

  const SEARCHES: [string, object][] = [
    ['subject', { subject: USERS, action: READ, resource: record(1) }],
    ['resource', { subject: ALICE, action: READ, resource: RECORDS }],
    ['action', { subject: ALICE, resource: record(1) }],
  ]

  test.each(SEARCHES)('c-4-5 pages of any size join to the whole list (%s)', async (what, body) => {
    const whole = await results(what, body)
    expect(whole).toHaveLength(2)
    for (const limit of [1, 2, 3]) {
      const joined: unknown[] = []
      let token: string | undefined
      do {
        const page = token === undefined ? { limit } : { limit, token }
        const { body: answer } = await search(what, { ...body, page })
        expect(answer.page.next_token).toBeTypeOf('string')
        expect(answer.page.count).toBe(answer.results.length)
        joined.push(...answer.results)
        token = answer.page.next_token
      } while (token !== '')
      expect(joined).toEqual(whole)
    }
  })

  test.each(SEARCHES)('c-4-5-2 a token belongs to its question (%s)', async (what, body) => {
    const { body: first } = await search(what, { ...body, page: { limit: 1 } })
    const token = first.page.next_token
    expect(token).not.toBe('')
    const other = { ...body, context: { other: true }, page: { token } }
    expect((await search(what, other)).status).toBe(400)
    expect((await search(what, { ...body, page: { token: `${token}x` } })).status).toBe(400)
    expect((await search(what, { ...body, page: { token } })).body.results).toHaveLength(1)
  })

  test.each(SEARCHES)('what is found is permitted (%s)', async (what, body) => {
    for (const found of await results(what, body))
      expect((await evaluate({ ...body, [what]: found })).body.decision).toBe(true)
  })

  test('c-4-6-1, c-4-6-2 unknown names and types find nothing, and are no error', async () => {
    const nobody = { type: 'user', id: 'nobody' }
    expect(await results('action', { subject: nobody, resource: record(1) })).toEqual([])
    expect(await results('action', { subject: ALICE, resource: { type: 'planet', id: 'x' } })).toEqual([])
    const ships = { subject: { type: 'spaceship' }, action: READ, resource: record(1) }
    expect(await results('subject', ships)).toEqual([])
    expect(await results('subject', { subject: USERS, action: READ, resource: record(9) })).toEqual([])
    expect(await results('resource', { subject: nobody, action: READ, resource: RECORDS })).toEqual([])
    expect(await results('resource', { subject: ALICE, action: READ, resource: { type: 'planet' } })).toEqual(
      [],
    )
    expect(
      await results('resource', { subject: ALICE, action: { name: 'paint' }, resource: RECORDS }),
    ).toEqual([])
  })

  test.each([
    ['subject', { subject: USERS, resource: record(1) }],
    ['resource', { action: READ, resource: RECORDS }],
    ['action', { subject: ALICE }],
    ['subject', { subject: USERS, action: READ, resource: RECORDS }],
    ['resource', { subject: USERS, action: READ, resource: RECORDS }],
    ['resource', { subject: ALICE, action: READ, resource: RECORDS, page: { limit: 0 } }],
    ['resource', { subject: ALICE, action: READ, resource: RECORDS, page: 'next' }],
  ])('c-4-7 an incomplete search for a %s: %j', async (what, body) => {
    expect((await search(what, body)).status).toBe(400)
  })
})

describe('acting for somebody', () => {
  test('the agent, the person and what the person let it do must all agree', async () => {
    const { admin } = stand
    const alice = 'alice'
    const agent = await admin.agents.create({
      name: 'booker',
      owner: alice,
      kind: 'both',
      ceiling: ['record:*'],
    })
    const credential = await admin.credentials.create({ agent: 'booker', kind: 'secret' })
    const acting = (n: number, by = 'booker') =>
      evaluate({ ...FIRST, resource: record(n), context: { agent: by } })
    const reason = async (n: number) => (await acting(n)).body.context.reason
    expect(await reason(1)).toBe('agent_lacks_permission')
    await admin.assignments.create({ principal: 'agent:booker', role: 'reader', resource: 'record/record-1' })
    await admin.assignments.create({ principal: 'agent:booker', role: 'reader', resource: 'record/record-2' })
    expect(await reason(1)).toBe('revoked')
    const scopes = ['record:read']
    const resources = ['record/record-1']
    const grant = await admin.grants.create({ agent: 'booker', person: alice, scopes, resources })
    expect(await reason(1)).toBe('permitted')
    expect(await reason(2)).toBe('grant_resource')
    for (const by of [agent.id, credential.clientId, 'booker'])
      expect((await acting(1, by)).body.decision).toBe(true)
    expect((await acting(1, 'nobody')).body).toMatchObject({
      decision: false,
      context: { reason: 'agent_unknown' },
    })
    const found = await search('resource', { ...FIRST, context: { agent: 'booker' } })
    expect(found.body.results).toEqual([record(1)])
    await admin.grants.revoke({ id: grant.id })
    expect(await reason(1)).toBe('revoked')
  })

  test('a tool call is decided as an enforcement point would decide it', async () => {
    const { admin } = stand
    await admin.servers.create({ name: 'records', url: 'https://records.test/mcp' })
    await admin.tools.map({
      server: 'records',
      name: 'get',
      permission: 'record:read',
      definition: `sha256-${'a'.repeat(43)}`,
      inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      resource: 'record/{args.id}',
      risk: 'read',
    })
    const call = (id: string, tool = 'records:get') =>
      evaluate({
        subject: { type: 'agent', id: 'booker' },
        action: { name: 'tools/call', properties: { arguments: { id } } },
        resource: { type: 'tool', id: tool },
      })
    expect((await call('record-1')).body.decision).toBe(true)
    expect((await call('record-9')).body.context.reason).toBe('resource_unknown')
    expect((await call('record-1', 'records:drop')).body.context.reason).toBe('tool_unmapped')
    expect((await call('record-1', 'elsewhere:get')).body.decision).toBe(false)
    await admin.agents.suspend({ id: 'booker' })
    expect((await call('record-1')).body.context.reason).toBe('suspended')
  })
})

describe('metadata', () => {
  test.each([
    ['/.well-known/authzen-configuration/pdp/northwind', `${ISSUER}/pdp/northwind`],
    ['/.well-known/authzen-configuration', ISSUER],
  ])('c-6 %s', async (path, pdp) => {
    const { status, headers, body } = await stand.get(path)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(body.policy_decision_point).toBe(pdp)
    const endpoints = Object.entries(body).filter(([name]) => name.endsWith('_endpoint'))
    expect(endpoints).toHaveLength(5)
    for (const [, url] of endpoints) expect(url).toMatch(new RegExp(`^${pdp}/access/v1/`))
  })

  test('c-5 each endpoint answers where it is said to be; of two organizations each goes by its name', async () => {
    const { body } = await stand.get('/.well-known/authzen-configuration')
    const ask = async (url: string) => {
      const init = {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await stand.token('decision:read')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(FIRST),
      }
      const response = await fetch(url.replace(ISSUER, `http://${stand.authority.address}`), init)
      return response.status
    }
    const urls = Object.entries<string>(body).filter(([name]) => name.endsWith('_endpoint'))
    for (const [name, url] of urls) expect(await ask(url), name).toBe(200)
    await stand.admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
    expect(await ask(body.access_evaluation_endpoint)).toBe(404)
    expect((await stand.get('/.well-known/authzen-configuration')).status).toBe(404)
    expect(await ask(`${ISSUER}/pdp/contoso/access/v1/evaluation`)).toBe(200)
    expect(await ask(`${ISSUER}/pdp/fabrikam/access/v1/evaluation`)).toBe(404)
  })
})
