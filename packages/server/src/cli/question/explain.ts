import { closest, ERRORS, REASONS } from '@valetkey/sdk/core'
import { describe } from '@valetkey/sdk/engine'
import type { Command } from 'commander'
import { addCommand, withPrinter } from '../session.ts'
import { type Io, type Printer, UsageError, type View } from '../terminal/index.ts'

interface Explained {
  code: string
  about: 'error' | 'decision'
  status: number | null
  meaning: string
  retry: string | null
}

const view: View<Explained> = {
  kind: 'Code',
  name: explained => explained.code,
  columns: [
    { header: 'CODE', value: explained => explained.code },
    { header: 'ABOUT', value: explained => explained.about },
    { header: 'STATUS', value: explained => explained.status },
    { header: 'RETRY', value: explained => explained.retry },
    { header: 'MEANING', value: explained => explained.meaning },
  ],
}

/** Says what a code means; needs no authority. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'explain [code]', {
    summary: 'Say what a code of an error or a decision means; works offline',
    examples: [
      ['valetkey explain tool_changed', 'why a call was refused'],
      ['valetkey explain', 'every code'],
    ],
  }).action(withPrinter(io, explain))
}

async function explain(print: Printer, code: string | undefined): Promise<void> {
  const all = [...errors(), ...reasons()]
  if (code === undefined) return print.list(view, all)
  const found = all.find(explained => explained.code === code)
  if (found) return print.item(view, found)
  const meant = closest(
    code,
    all.map(explained => explained.code),
  )
  throw new UsageError(
    `There is no code "${code}".`,
    meant ? `Did you mean "${meant}"?` : 'It is neither an error nor a reason of a decision.',
    'See them all: valetkey explain',
  )
}

function errors(): Explained[] {
  return Object.entries(ERRORS).map(([code, [status, meaning]]) => ({
    code,
    about: 'error',
    status,
    meaning,
    retry: null,
  }))
}

function reasons(): Explained[] {
  const codes = Object.keys(REASONS) as (keyof typeof REASONS)[]
  return codes.map(code => ({
    code,
    about: 'decision',
    status: null,
    meaning: code === 'permitted' ? 'Permitted.' : meaningOf(code),
    retry: REASONS[code].retry,
  }))
}

/** The sentence that callers get, without the particulars of one call. */
function meaningOf(reason: keyof typeof REASONS): string {
  const sentence = describe({ id: 'dec_…', reason, detail: '…' })
  return sentence.replace(' (decision dec_…)', '')
}
