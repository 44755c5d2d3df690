import { type Schema, Validator } from '@cfworker/json-schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Json, JsonObject } from '../core/index.ts'
import { compileArguments } from './arguments.ts'

/** A schema with a value that it takes, and values that it must not take. */
interface Sample {
  schema: JsonObject
  good: Json
  bad: Json[]
}

const check = (inputSchema: JsonObject) => compileArguments({ kind: 'tool', inputSchema })
const named = (key: string, value: Json) => Object.fromEntries([[key, value]])
/** Names that every object seems to have. */
const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
const key = fc.constantFrom('customer', 'amount', 'to', 'options', 'lines', ...INHERITED.slice(2))

const text: fc.Arbitrary<Sample> = fc.nat(20).chain(maxLength =>
  fc.string({ maxLength }).map(good => ({
    schema: { type: 'string', maxLength },
    good,
    bad: ['x'.repeat(maxLength + 1), 7, null, [good], { of: good }],
  })),
)
const choice: fc.Arbitrary<Sample> = fc
  .uniqueArray(fc.string(), { minLength: 1, maxLength: 4 })
  .map(([good = '', ...others]) => ({
    schema: { type: 'string', enum: [good, ...others] },
    good,
    bad: [`${good}${others.join('')}!`, 0, null],
  }))
const amount: fc.Arbitrary<Sample> = fc.tuple(fc.nat(1000), fc.nat(1000)).map(([minimum, more]) => ({
  schema: { type: 'integer', minimum, maximum: minimum + more },
  good: minimum + Math.floor(more / 2),
  bad: [minimum - 1, minimum + more + 1, minimum + 0.5, `${minimum}`, null],
}))

const list = (of: Sample): Sample => ({
  schema: { type: 'array', items: of.schema, maxItems: 3 },
  good: [of.good, of.good],
  bad: [...of.bad.map(one => [of.good, one]), Array.from({ length: 4 }, () => of.good), 'x'],
})

function record(members: [string, Sample][]): Sample {
  const good = Object.fromEntries(members.map(([name, { good }]) => [name, good]))
  const unknown = [...INHERITED, 'also'].filter(name => !members.some(([known]) => known === name))
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(members.map(([name, { schema }]) => [name, schema])),
      required: members.map(([name]) => name),
    },
    good,
    bad: [
      ...members.flatMap(([name, { bad }]) => bad.map(one => ({ ...good, ...named(name, one) }))),
      ...members.map(([name]) =>
        Object.fromEntries(Object.entries(good).filter(([other]) => other !== name)),
      ),
      ...unknown.map(name => Object.fromEntries([...Object.entries(good), [name, 'x']])),
      ...['x', null, []],
    ],
  }
}

const { input } = fc.letrec<{ any: Sample; input: Sample }>(tie => ({
  any: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    text,
    choice,
    amount,
    tie('any').map(list),
    tie('input'),
  ),
  input: fc
    .uniqueArray(fc.tuple(key, tie('any')), { selector: ([name]) => name, minLength: 1, maxLength: 4 })
    .map(record),
}))

test('arguments pass where the schema names them and takes their values, and nothing else does, at any depth', () => {
  let refused = 0
  fc.assert(
    fc.property(input, ({ schema, good, bad }) => {
      const faultOf = check(schema)
      expect(faultOf(good as JsonObject)).toBeNull()
      for (const one of bad) expect(faultOf(one as JsonObject), JSON.stringify([schema, one])).not.toBeNull()
      refused += bad.length
    }),
    { numRuns: 300 },
  )
  expect(refused).toBeGreaterThan(3_000)
})

test('a tool without a schema, or with one that cannot be read, takes nothing', () => {
  expect(compileArguments({ kind: 'tool', inputSchema: null })({})).toMatch(/no approved input schema/)
  expect(check({ type: 'object', properties: { a: { pattern: '(' } } })({ a: 'x' })).not.toBeNull()
  expect(check({ $ref: '#/nowhere' })({})).not.toBeNull()
})

test('a plain schema takes and refuses exactly what the validator by itself does', () => {
  const names = ['customer', 'amount', 'draft', ...INHERITED]
  const name = fc.constantFrom(...names)
  const type = fc.constantFrom('string', 'number', 'integer', 'boolean', 'object', 'null')
  const more = fc.constantFrom<JsonObject>(
    {},
    {},
    { title: 'A' },
    { minLength: 2 },
    { minimum: 3 },
    { enum: [1] },
  )
  const member = fc.tuple(type, more).map(([type, more]): JsonObject => ({ type, ...more }))
  const value = fc.oneof(
    fc.constantFrom<Json>(1, 1.5, -0, 1e308 * 10, 'a', 'abc', '', true, null, [], {}),
    fc.double({ noNaN: true }),
  )
  const entries = <T>(of: fc.Arbitrary<T>) => fc.array(fc.tuple(name, of)).map(Object.fromEntries)
  fc.assert(
    fc.property(
      ...([entries(member), fc.uniqueArray(name, { maxLength: 2 }), entries(value)] as const),
      (properties, required, args) => {
        const schema = { type: 'object', properties, required, additionalProperties: false }
        const { valid } = new Validator(schema as Schema, '2020-12').validate(args)
        expect(check(schema)(args) === null).toBe(valid)
      },
    ),
    { numRuns: 2_000 },
  )
})
