/** A server-sent event (WHATWG HTML, section 9.2). */
export interface ServerSentEvent {
  event: string
  id: string | undefined
  data: string
}

/** Reads events from a response body until it ends or is aborted; a connection that breaks ends the sequence. */
export async function* readEvents(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<ServerSentEvent> {
  if (!body) return
  const reader = body.getReader()
  const blocks = createBlockSplitter()
  const decoder = new TextDecoder()
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read()
      if (done) return
      for (const block of blocks.push(decoder.decode(value, { stream: true }))) {
        const event = parseBlock(block)
        if (event.data !== '') yield event
      }
    }
  } catch {
    return
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** Cuts a stream of text into blocks, each ended by an empty line, whatever line ends the sender uses. */
export function createBlockSplitter(): { push(text: string): string[]; rest(): string } {
  const emptyLine = /(?:\r\n|\n|\r(?!\n)){2}/g
  let rest = ''
  return {
    push(text) {
      // What was searched before is not searched again, so that a large event in many chunks stays cheap.
      emptyLine.lastIndex = Math.max(0, rest.length - 3)
      rest += text
      const blocks: string[] = []
      let from = 0
      for (let end = emptyLine.exec(rest); end; end = emptyLine.exec(rest)) {
        blocks.push(rest.slice(from, end.index))
        from = emptyLine.lastIndex
      }
      rest = rest.slice(from)
      return blocks
    },
    rest: () => rest,
  }
}

export function parseBlock(block: string): ServerSentEvent {
  const event: ServerSentEvent = { event: 'message', id: undefined, data: '' }
  const data: string[] = []
  for (const line of block.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    if (colon === 0) continue
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') event.event = value
    else if (field === 'id') event.id = value
    else if (field === 'data') data.push(value)
  }
  event.data = data.join('\n')
  return event
}

/** Writes a block again with another id or other data; comments, `retry` and unknown fields stay as they were. */
export function rewriteBlock(
  block: string,
  change: { id?: string | undefined; data?: string | undefined },
): string {
  const lines: string[] = []
  let wroteData = false
  for (const line of block.split(/\r\n|\n|\r/)) {
    if (change.id !== undefined && /^id(:|$)/.test(line)) lines.push(`id: ${change.id}`)
    else if (change.data !== undefined && /^data(:|$)/.test(line)) {
      if (!wroteData) lines.push(...change.data.split('\n').map(part => `data: ${part}`))
      wroteData = true
    } else lines.push(line)
  }
  return `${lines.join('\n')}\n\n`
}
