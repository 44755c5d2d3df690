import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findJsonFault } from './strict-json.ts'

const DEEP = 64

describe('what JSON.parse reads without loss has no fault', () => {
  test('any value, however it is written', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 12 }), fc.nat({ max: 4 }), (value, indent) => {
        expect(findJsonFault(JSON.stringify(value, null, indent), DEEP)).toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})

describe('a member that is named twice is found', () => {
  const key = fc.string({ maxLength: 6 })

  test('at any depth, between any neighbours, however its name is spelled', () => {
    fc.assert(
      fc.property(
        key,
        fc.dictionary(key, fc.jsonValue({ maxDepth: 3 })),
        fc.nat({ max: 10 }),
        fc.boolean(),
        (name, others, depth, isSpelled) => {
          const spelled = isSpelled ? escapeAll(name) : JSON.stringify(name)
          const members = Object.entries({ ...others, [name]: 1 }).map(
            ([other, value]) => `${JSON.stringify(other)}: ${JSON.stringify(value)}`,
          )
          const object = `{${[...members, `${spelled} : null`].join(',')}}`
          const text = `${'{"in":['.repeat(depth)}${object}${']}'.repeat(depth)}`
          JSON.parse(text)
          expect(findJsonFault(text, DEEP)).toBe('duplicate_key')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('among many members, whichever of them it is', () => {
    const names = Array.from({ length: 30 }, (_, i) => `n${i}`)
    const members = names.map(name => `"${name}":0`)
    expect(findJsonFault(`{${members.join(',')}}`, DEEP)).toBeNull()
    for (const name of names)
      expect(findJsonFault(`{${[...members, `"${name}":1`].join(',')}}`, DEEP)).toBe('duplicate_key')
  })

  test.each([
    ['{"a":1,"a":2}', 'duplicate_key'],
    ['{"a":1,"\\u0061":2}', 'duplicate_key'],
    ['{"__proto__":1,"__proto__":2}', 'duplicate_key'],
    ['{"a":{"a":{"a":1}}}', null],
    ['[{"a":1},{"a":2}]', null],
    ['{"a":"b","b":"a"}', null],
    ['{"a":"\\"a\\":1,","b":":{}[]"}', null],
    ['{"a\\\\":1,"a":2}', null],
    ['{"A":1,"a":2}', null],
    ['"{\\"a\\":1,\\"a\\":2}"', null],
  ] as const)('%s: %s', (text, expected) => {
    JSON.parse(text)
    expect(findJsonFault(text, DEEP)).toBe(expected)
  })
})

describe('a number that cannot be written again as it was read is found', () => {
  test.each([
    ['1e308', null],
    ['-1.5e-400', null],
    ['{"a":0,"b":[-12.5E+3,true,"1e999"]}', null],
    ['1e309', 'too_large'],
    ['{"a":[1,-1E+999]}', 'too_large'],
    ['9'.repeat(400), 'too_large'],
  ] as const)('%s: %s', (text, expected) => {
    JSON.parse(text)
    expect(findJsonFault(text, DEEP)).toBe(expected)
  })
})

test('nesting is allowed up to the limit and no further', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  expect(findJsonFault(nested(DEEP), DEEP)).toBeNull()
  expect(findJsonFault(nested(DEEP + 1), DEEP)).toBe('too_deep')
  expect(findJsonFault(nested(500_000), DEEP)).toBe('too_deep')
})

function escapeAll(text: string): string {
  const escaped = Array.from(
    { length: text.length },
    (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`,
  )
  return `"${escaped.join('')}"`
}
