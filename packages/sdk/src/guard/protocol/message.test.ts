import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isFault, MODERN, parseMessage } from './message.ts'

const META = { 'io.modelcontextprotocol/protocolVersion': MODERN }
const nothing = () => undefined
const headers = (given: Record<string, string>) => (name: string) => given[name]
const parse = (message: object, given: Record<string, string> = {}) =>
  parseMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }), headers(given))

describe('a message', () => {
  test('is what its text says, and is written again as it was read', () => {
    fc.assert(
      fc.property(
        fc.string(),
        // What these two hold has rules of its own.
        fc.dictionary(
          fc.string().filter(key => key !== 'arguments' && key !== '_meta'),
          fc.jsonValue({ maxDepth: 4 }),
        ),
        (method, params) => {
          const parsed = parse({ method, params })
          if (isFault(parsed)) throw new Error(parsed.message)
          expect(parsed).toMatchObject({ method, id: 1, era: 'legacy' })
          expect(JSON.parse(JSON.stringify(parsed.json))).toEqual(
            JSON.parse(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })),
          )
        },
      ),
    )
  })

  test('without an id is a notification, and an answer has no method', () => {
    expect(parse({ id: undefined, method: 'notifications/initialized' })).toMatchObject({ id: null })
    expect(parse({ result: {} })).toMatchObject({ method: null, era: 'legacy' })
    expect(parse({ error: { code: 1, message: '' } })).toMatchObject({ method: null })
  })

  test('has an object for its parameters and for its arguments, or neither', () => {
    const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
    const call = { method: 'tools/call' }
    for (const none of [{}, { name: 'x' }, { name: 'x', arguments: {} }, { arguments: { a: [null] } }])
      expect(isFault(parse({ ...call, params: none })), JSON.stringify(none)).toBe(false)
    fc.assert(
      fc.property(
        fc.jsonValue().filter(value => !isObject(value)),
        fc.string(),
        (value, name) => {
          const refused = { status: 400, code: -32602, id: 1 }
          const message = 'The arguments must be an object.'
          expect(parse({ ...call, params: { name, arguments: value } })).toEqual({ ...refused, message })
          expect(parse({ ...call, params: value })).toEqual({
            ...refused,
            message: 'The parameters must be an object.',
          })
        },
      ),
    )
  })

  test('has no members but those of JSON-RPC, and none in other letters that some programs take for them', () => {
    const call = { method: 'tools/list', params: { name: 'x', arguments: {} } }
    for (const more of [
      { Method: 'tools/call' },
      { PARAMS: {} },
      { paramſ: {} },
      { result: {} },
      { more: 1 },
    ])
      expect(parse({ ...call, ...more }), JSON.stringify(more)).toMatchObject({
        status: 400,
        code: -32600,
        id: 1,
      })
    expect(parse({ result: {}, Result: {} })).toMatchObject({ status: 400, code: -32600 })
    const params = [
      { Arguments: { amount: 1e6 } },
      { NAME: 'refund' },
      { ref: { type: 'ref/prompt', Name: 'x' } },
      { argument: { name: 'a', Value: 'b' } },
      { notifications: { resourcesubscriptions: ['file:///x'] } },
      { notifications: { TaskIds: ['theirs'] } },
      { _Meta: { x: 1 } },
      { taſKId: 'mine' },
    ]
    for (const more of params)
      expect(
        parse({ method: 'tools/call', params: { name: 'x', ...more } }),
        JSON.stringify(more),
      ).toMatchObject({
        status: 400,
        code: -32602,
        id: 1,
      })
    // What a tool calls its own arguments is for its schema to say.
    expect(isFault(parse({ method: 'tools/call', params: { name: 'x', arguments: { Name: 1 } } }))).toBe(
      false,
    )
  })

  test('names no more than a record should hold', () => {
    const [most, more] = ['x'.repeat(8_192), 'x'.repeat(8_193)]
    const listen = (uris: string[]) => ({
      method: 'subscriptions/listen',
      params: { notifications: { resourceSubscriptions: uris } },
    })
    for (const [name, isRefused] of [
      [most, false],
      [more, true],
    ] as const)
      for (const message of [
        { method: name },
        { method: 'tools/call', params: { name } },
        { method: 'resources/read', params: { uri: name } },
        { method: 'tasks/get', params: { taskId: name } },
        { method: 'completion/complete', params: { ref: { type: 'ref/prompt', name } } },
        { method: 'completion/complete', params: { ref: { type: 'ref/resource', uri: name } } },
        { method: 'subscriptions/listen', params: { notifications: { taskIds: [name] } } },
        listen([name]),
      ])
        expect(isFault(parse(message)), message.method).toBe(isRefused)
    expect(isFault(parse(listen(Array(100).fill('a'))))).toBe(false)
    expect(parse(listen(Array(101).fill('a')))).toMatchObject({ status: 400, code: -32602, id: 1 })
  })

  test('has an id that comes back as it went, or none', () => {
    for (const id of [null, true, {}, [], [1]])
      expect(parse({ id, method: 'tools/list' }), JSON.stringify(id)).toMatchObject({ status: 400, id: null })
    const text = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list"}`
    expect(parseMessage(text('1e999'), nothing)).toMatchObject({ status: 400, code: -32600, id: null })
    for (const id of ['0', '-1', '1.5', '"1"', '""'])
      expect(parseMessage(text(id), nothing)).toMatchObject({ id: JSON.parse(id) })
  })

  test('is never read from a text that is not one: any garbage is a fault', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const parsed = parseMessage(text, nothing)
        expect(isFault(parsed)).toBe(true)
      }),
    )
  })
})

describe('the revision', () => {
  test.each([
    [MODERN, 'modern'],
    ['2027-01-01', 'modern'],
    ['2025-11-25', 'legacy'],
    ['2024-11-05', 'legacy'],
    ['draft', 'modern'],
  ] as const)('%s is %s', (version, era) => {
    const parsed = parse(
      { method: 'tools/list', params: {} },
      { 'mcp-protocol-version': version, 'mcp-method': 'tools/list' },
    )
    expect(parsed).toMatchObject({ era })
  })

  test('in the body must be the one in the header', () => {
    expect(parse({ method: 'ping', params: { _meta: META } }, { 'mcp-method': 'ping' })).toMatchObject({
      code: -32020,
    })
  })
})

describe('headers', () => {
  const named = [
    ['tools/call', { name: 'räum auf' }],
    ['prompts/get', { name: 'räum auf' }],
    ['resources/read', { uri: 'räum auf' }],
  ] as const

  test.each(named)('%s may name what it is about in base64', (method, params) => {
    const encoded = `=?base64?${Buffer.from('räum auf').toString('base64')}?=`
    const given = { 'mcp-protocol-version': MODERN, 'mcp-method': method, 'mcp-name': encoded }
    expect(parse({ method, params: { ...params, _meta: META } }, given)).toMatchObject({ era: 'modern' })
    const plain = { ...given, 'mcp-name': 'something else' }
    expect(parse({ method, params: { ...params, _meta: META } }, plain)).toMatchObject({ code: -32020 })
    const missing = { 'mcp-protocol-version': MODERN, 'mcp-method': method }
    expect(parse({ method, params: { ...params, _meta: META } }, missing)).toMatchObject({ code: -32020 })
  })

  test('no name or method but the one in the body ever passes', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.boolean(), (name, claimed, isModern) => {
        fc.pre(name.trim() !== claimed.trim() && !claimed.includes('=?base64?'))
        const given = {
          'mcp-name': claimed,
          'mcp-method': 'tools/call',
          ...(isModern && { 'mcp-protocol-version': MODERN }),
        }
        expect(parse({ method: 'tools/call', params: { name } }, given)).toMatchObject({ code: -32020 })
      }),
    )
  })
})
