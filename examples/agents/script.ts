// Stands in for a model, so that the programs run without one: it asks for two invoices, then repeats what it was told.

/** The second one is a good guess: it is another tenant's. */
const CALLS = [
  { customer: 'acme', id: 'INV-1042' },
  { customer: 'initech', id: 'INV-7001' },
]

export type Turn = { call: { id: string; name: string; input: Record<string, string> } } | { text: string }

/** What the model says next. `tool` is how the framework calls `get_invoice`, `told` what has come back so far. */
export function createScript(tool = 'get_invoice'): (told: unknown) => Turn {
  let turn = 0
  return told => {
    const input = CALLS[turn]
    turn++
    return input === undefined
      ? { text: `The tools said: ${JSON.stringify(told)}` }
      : { call: { id: `call_${turn}`, name: tool, input } }
  }
}
