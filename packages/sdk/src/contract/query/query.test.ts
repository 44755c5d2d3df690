import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readChips, writeChips } from './chips.ts'
import { FILTERS, parseQuery } from './query.ts'
import { readSpan } from './times.ts'
import { fromWall, offsetAt, timeIn } from './zone.ts'

// A Friday.
const NOW = Date.parse('2026-11-20T15:30:00Z')
const UTC = { now: NOW, zone: 'UTC' }
const parse = (text: string, zone = 'UTC') => parseQuery(text, { now: NOW, zone })

test('chips name what is asked for: any of one key, all of different keys, none with a minus', () => {
  expect(
    parse(
      'resource:customer/acme agent:support-bot AGENT:report-bot -tool:ping verdict:denied refund -"jane doe" since:tuesday',
    ),
  ).toEqual({
    wanted: {
      resource: { any: ['customer/acme'], none: [] },
      agent: { any: ['support-bot', 'report-bot'], none: [] },
      tool: { any: [], none: ['ping'] },
      verdict: { any: ['deny'], none: [] },
    },
    text: { all: ['refund'], none: ['jane doe'] },
    since: Date.parse('2026-11-17T00:00:00Z'),
    until: null,
  })
  expect(parse('  ')).toEqual({ wanted: {}, text: { all: [], none: [] }, since: null, until: null })
})

test.each([
  ['on:tuesday', '2026-11-17T00:00:00Z', '2026-11-18T00:00:00Z'],
  ['on:monday..wednesday', '2026-11-16T00:00:00Z', '2026-11-19T00:00:00Z'],
  ['on:2026-11-01..2026-11-15', '2026-11-01T00:00:00Z', '2026-11-16T00:00:00Z'],
  ['since:2026-11-01 until:2026-11-15', '2026-11-01T00:00:00Z', '2026-11-16T00:00:00Z'],
  ['since:"last monday" until:14:00', '2026-11-16T00:00:00Z', '2026-11-20T14:00:00Z'],
])('%s', (text, since, until) => {
  expect(parse(text)).toMatchObject({ since: Date.parse(since), until: Date.parse(until) })
})

test('tuesday is the tuesday of the zone that is named, also where clocks change', () => {
  const span = (text: string, zone: string) => {
    const { since, until } = parse(text, zone)
    return [timeIn(zone, since ?? 0), timeIn(zone, until ?? 0)]
  }
  expect(span('on:tuesday', 'Asia/Kathmandu')).toEqual([
    '2026-11-17T00:00:00+05:45',
    '2026-11-18T00:00:00+05:45',
  ])
  expect(span('on:2026-10-25', 'Europe/Berlin')).toEqual([
    '2026-10-25T00:00:00+02:00',
    '2026-10-26T00:00:00+01:00',
  ])
  // Midnight did not happen there on that day.
  expect(span('on:2018-11-04', 'America/Sao_Paulo')).toEqual([
    '2018-11-04T01:00:00-02:00',
    '2018-11-05T00:00:00-02:00',
  ])
  expect(span('since:2026-03-29T02:30 until:2026-10-25T02:30', 'Europe/Berlin')).toEqual([
    '2026-03-29T03:30:00+02:00',
    '2026-10-25T02:30:00+02:00',
  ])
})

test('a moment goes to the wall and back, whatever the zone', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'Asia/Tehran',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: Date.UTC(2000), max: Date.UTC(2040) }),
      (zone, at) => {
        const wall = at + offsetAt(zone, at)
        const back = fromWall(zone, wall)
        // Twice in a year an hour happens twice: then the first is meant.
        expect(back).toBeLessThanOrEqual(at)
        expect(back + offsetAt(zone, back)).toBe(wall)
        expect(Date.parse(timeIn(zone, at))).toBe(at)
        const day = readSpan('today', { now: at, zone })
        expect(day && day.from <= at && at < day.to).toBe(true)
      },
    ),
  )
})

test.each([
  ['agnet:x', 0, 'There is no filter "agnet", at character 1: agnet:x. Did you mean "agent"?'],
  ['tool:a  verdit:denied', 8, 'Did you mean "verdict"?'],
  ['verdict:deneid', 0, '"deneid" is not a verdict, at character 1: verdict:deneid. Did you mean "denied"?'],
  ['agent: x', 0, 'Nothing follows "agent:"'],
  ['"jane', 0, 'The quote is not closed'],
  ['tool:"a"b', 5, 'A space must follow the closing quote'],
  ['tool:a"b"', 5, 'put the whole value in quotes'],
  ['x', 0, 'Words have 2 to 200 characters'],
  ['- agent:x', 0, 'Nothing follows "-"'],
  ['http://acme.test', 0, 'words with a colon are put in quotes'],
  ['since:soon', 0, '"soon" is not a time'],
  ['since:2h since:3h', 9, '"since" stands here for the second time'],
  ['-on:today', 0, 'A time cannot be left out'],
  ['on:today since:2h', 0, 'choose one'],
  ['on:2h', 0, 'is a moment, not a day'],
  ['on:a..b..c', 0, 'A range of days is written as monday..wednesday'],
  ['since:today until:monday', 12, 'The span ends before it begins'],
  ['on:wednesday..monday', 0, 'The span ends before it begins'],
])('query.invalid: %s', (text, at, sentence) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({
      code: 'query.invalid',
      path: `q@${at}`,
      message: expect.stringContaining(sentence),
    }),
  )
})

test('what is written is read as it was, whatever it holds', () => {
  const key = fc.constantFrom('text', ...Object.keys(FILTERS))
  const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  const chip = fc.record({ key, value, isNot: fc.boolean() })
  fc.assert(
    fc.property(fc.array(chip, { maxLength: 8 }), chips => {
      const read = readChips(writeChips(chips))
      expect(read.map(({ key, value, isNot }) => ({ key, value, isNot }))).toEqual(chips)
    }),
  )
})

test('any text is a question or says where it is none', () => {
  const piece = fc.constantFrom(
    'agent:',
    'on:',
    '-',
    '"',
    '\\',
    ':',
    ' ',
    'x',
    'tuesday',
    '..',
    '\u0000',
    '😀',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map(parts => parts.join('')),
      ),
      text => {
        try {
          parseQuery(text, UTC)
        } catch (error) {
          expect(error).toMatchObject({ code: 'query.invalid', path: expect.stringMatching(/^q(@\d+)?$/) })
          const at = Number(/\d+/.exec((error as { path: string }).path)?.[0] ?? 0)
          expect(at).toBeLessThanOrEqual(text.length)
        }
      },
    ),
  )
})

test('query.invalid: more than anyone asks', () => {
  expect(() => parse('tool:a '.repeat(61))).toThrow('at most 60 words')
  expect(() => parse('x'.repeat(4001))).toThrow('at most 4000 characters')
})
