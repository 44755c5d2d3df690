import { afterEach, expect, test } from 'vitest'
import { parseSpan } from './times.ts'

// A Friday.
const NOW = Date.parse('2026-11-20T15:30:00Z')
const utc = { now: NOW, utc: true }
const span = (text: string, frame = utc) => {
  const { from, to } = parseSpan(text, frame)
  return [new Date(from).toISOString(), new Date(to).toISOString()]
}
const zone = process.env['TZ']
afterEach(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

test.each([
  ['today', '2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'],
  ['yesterday', '2026-11-19T00:00:00.000Z', '2026-11-20T00:00:00.000Z'],
  ['tuesday', '2026-11-17T00:00:00.000Z', '2026-11-18T00:00:00.000Z'],
  ['last Tuesday', '2026-11-17T00:00:00.000Z', '2026-11-18T00:00:00.000Z'],
  ['tue', '2026-11-17T00:00:00.000Z', '2026-11-18T00:00:00.000Z'],
  ['friday', '2026-11-13T00:00:00.000Z', '2026-11-14T00:00:00.000Z'],
  ['saturday', '2026-11-14T00:00:00.000Z', '2026-11-15T00:00:00.000Z'],
  ['2026-11-01', '2026-11-01T00:00:00.000Z', '2026-11-02T00:00:00.000Z'],
])('"%s" is a whole day', (text, from, to) => {
  expect(span(text)).toEqual([from, to])
})

test.each([
  ['now', '2026-11-20T15:30:00.000Z'],
  ['2h', '2026-11-20T13:30:00.000Z'],
  ['45 min ago', '2026-11-20T14:45:00.000Z'],
  ['7d', '2026-11-13T15:30:00.000Z'],
  ['14:00', '2026-11-20T14:00:00.000Z'],
  ['16:00', '2026-11-19T16:00:00.000Z'],
  ['2026-11-17T09:30:00Z', '2026-11-17T09:30:00.000Z'],
  ['2026-11-17T09:30:00+02:00', '2026-11-17T07:30:00.000Z'],
  ['2026-11-17T09:30', '2026-11-17T09:30:00.000Z'],
])('"%s" is a moment', (text, at) => {
  expect(span(text)).toEqual([at, at])
})

test.each(['', 'soon', '25:00', '2026-02-30', '2026-13-01', 'tu', '99999999h', '7 fortnights'])(
  '"%s" is refused',
  text => {
    expect(() => span(text)).toThrow(/is not a time/)
  },
)

test('days are days of this place, also where the clocks change', () => {
  process.env['TZ'] = 'Europe/Berlin'
  const local = { now: Date.parse('2026-10-26T12:00:00Z'), utc: false }
  expect(span('sunday', local)).toEqual(['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'])
  expect(span('14:00', local)).toEqual(['2026-10-25T13:00:00.000Z', '2026-10-25T13:00:00.000Z'])
})
