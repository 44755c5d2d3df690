import { expect, test } from 'vitest'
import { createMemo } from './memo.ts'

test('what was asked for last is kept, what was asked for longest ago is made again', () => {
  const made: string[] = []
  const memo = createMemo(2, text => {
    made.push(text)
    return { text }
  })
  const a = memo('a')
  memo('b')
  expect(memo('a')).toBe(a)
  memo('c')
  expect(memo('a')).toBe(a)
  memo('b')
  expect(made).toEqual(['a', 'b', 'c', 'b'])
})
