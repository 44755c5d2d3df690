import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockSplitter, parseBlock, readEvents, rewriteBlock } from './sse.ts'

const line = fc.string({ maxLength: 20 }).map(text => text.replaceAll(/[\r\n]/g, ' '))
const event = fc.record({
  id: fc.option(line, { nil: undefined }),
  data: fc.array(line, { minLength: 1, maxLength: 4 }),
})
const lineEnd = fc.constantFrom('\n', '\r\n', '\r')

function write(events: { id: string | undefined; data: string[] }[], end: string): string {
  return events
    .map(({ id, data }) =>
      [...(id === undefined ? [] : [`id: ${id}`]), ...data.map(part => `data: ${part}`), '', ''].join(end),
    )
    .join('')
}

/** Cuts a text at random places. */
function cut(text: string, places: number[]): string[] {
  const at = [0, ...places.map(place => place % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((to, i) => text.slice(at[i], to))
}

describe('a stream of events', () => {
  test('is the same however it arrives, whatever ends its lines', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 6 }),
        lineEnd,
        fc.array(fc.nat(), { maxLength: 12 }),
        (events, end, places) => {
          const splitter = createBlockSplitter()
          const text = write(events, end)
          const blocks = cut(text, places).flatMap(chunk => splitter.push(chunk))
          const said = blocks.map(parseBlock).map(({ id, data }) => ({ id, data }))
          // Where lines end in CR, the last one may yet turn out to be half of a CRLF.
          const expected = events.map(({ id, data }) => ({ id, data: data.join('\n') }))
          if (end === '\r') expect(expected.slice(0, said.length)).toEqual(said)
          else expect(said).toEqual(expected)
          expect(expected.length - said.length).toBeLessThanOrEqual(end === '\r' ? 1 : 0)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('is read from bytes that are cut inside a character', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.nat(), async (text, place) => {
        const data = text.replaceAll(/[\r\n]/g, ' ')
        const bytes = new TextEncoder().encode(`data: ${data}!\n\n`)
        const at = place % (bytes.length + 1)
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(bytes.slice(0, at))
            controller.enqueue(bytes.slice(at))
            controller.close()
          },
        })
        const seen: string[] = []
        for await (const { data } of readEvents(body, new AbortController().signal)) seen.push(data)
        expect(seen).toEqual([`${data}!`])
      }),
      { numRuns: 200 },
    )
  })

  test('of comments alone has no events', () => {
    const splitter = createBlockSplitter()
    const blocks = splitter.push(': keep-alive\n\n: keep-alive\n\n')
    expect(blocks.map(block => parseBlock(block).data)).toEqual(['', ''])
  })
})

describe('a block that is written again', () => {
  test('says what it is told to, and the rest as it was', () => {
    fc.assert(
      fc.property(event, line, line, (original, id, data) => {
        const block = write([{ ...original, id: original.id ?? '' }], '\n').trimEnd()
        const rewritten = rewriteBlock(block, { id, data })
        expect(rewritten.endsWith('\n\n')).toBe(true)
        expect(parseBlock(rewritten.slice(0, -2))).toEqual({ event: 'message', id, data })
      }),
    )
  })

  test('keeps the name of the event, comments and fields that nobody knows', () => {
    const block = ': hello\nevent: change\nretry: 100\nx: y\nid: 7\ndata: a\ndata: b'
    expect(rewriteBlock(block, { data: 'c\nd' })).toBe(
      ': hello\nevent: change\nretry: 100\nx: y\nid: 7\ndata: c\ndata: d\n\n',
    )
  })
})
