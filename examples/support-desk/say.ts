/** What a tool answers, as JSON. */
export function say(value: unknown) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value ?? null) }] }
}
