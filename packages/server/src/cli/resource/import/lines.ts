/** A line of a file, or why it cannot be read. */
export interface Line {
  number: number
  /** Undefined where it is no text, or longer than any row. */
  text: string | undefined
  fault: string | undefined
}

const NEWLINE = 0x0a
/** The longest row that the authority takes has well under half of this. */
const LONGEST = 16_384

/** Lines of a file of UTF-8, however large it is; one that is broken does not spoil the next. */
export async function* readLines(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Line> {
  let number = 1
  let kept: Buffer[] = []
  let length = 0
  const keep = (part: Buffer) => {
    length += part.length
    if (length <= LONGEST) kept.push(part)
  }
  const take = (): Line => {
    const line = toLine(number, length > LONGEST ? undefined : Buffer.concat(kept))
    number += 1
    kept = []
    length = 0
    return line
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at))
      from = at + 1
      yield take()
    }
    if (from < chunk.length) keep(chunk.subarray(from))
  }
  if (length > 0) yield take()
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function toLine(number: number, bytes: Buffer | undefined): Line {
  if (!bytes) return { number, text: undefined, fault: `The line is longer than ${LONGEST} bytes.` }
  try {
    const text = utf8.decode(bytes)
    const plain = number === 1 && text.startsWith('\ufeff') ? text.slice(1) : text
    return { number, text: plain.endsWith('\r') ? plain.slice(0, -1) : plain, fault: undefined }
  } catch {
    return { number, text: undefined, fault: 'The line is not UTF-8.' }
  }
}
