/** One record of CSV: its fields, that a quote is still open at its end, or what is wrong with it. */
export type CsvRecord = { fields: string[] } | { open: true } | { fault: string }

/** Reads a record as RFC 4180 has it: fields between commas, quoted where they hold a comma, a quote or a line break. */
export function parseRecord(text: string): CsvRecord {
  const fields: string[] = []
  let at = 0
  for (;;) {
    const field = text[at] === '"' ? quotedField(text, at) : plainField(text, at)
    if ('fault' in field || 'open' in field) return field
    fields.push(field.value)
    if (field.end === text.length) return { fields }
    at = field.end + 1
  }
}

type Field = { value: string; end: number } | { open: true } | { fault: string }

function plainField(text: string, from: number): Field {
  const comma = text.indexOf(',', from)
  const end = comma === -1 ? text.length : comma
  const value = text.slice(from, end)
  if (value.includes('"')) return { fault: 'A quote stands inside a field that does not begin with one.' }
  return { value, end }
}

function quotedField(text: string, from: number): Field {
  let value = ''
  for (let at = from + 1; ; ) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return { open: true }
    value += text.slice(at, quote)
    const next = text[quote + 1]
    if (next === undefined || next === ',') return { value, end: quote + 1 }
    if (next !== '"') return { fault: 'After the quote that closes a field, a comma has to follow.' }
    value += '"'
    at = quote + 2
  }
}
