import { createInterface } from 'node:readline'
import { answerMcp } from './invoices.ts'

/** The same server over stdio, for a bridge. */
createInterface({ input: process.stdin }).on('line', line => {
  const answer = answerMcp(JSON.parse(line))
  if (answer) process.stdout.write(`${JSON.stringify(answer)}\n`)
})
