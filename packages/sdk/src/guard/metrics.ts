/** Counts what an enforcement point decides, for Prometheus: most denials are HTTP 200 and must be countable. */
export interface Metrics {
  decided(labels: { verdict: string; reason: string; server: string; mode: string }): void
  /** Text exposition format 0.0.4; `gauges` are read at this moment. */
  render(gauges: Record<string, number>): string
}

export function createMetrics(): Metrics {
  const counts = new Map<string, number>()
  // Most calls are decided as the one before: its line need not be put together anew.
  let last: Parameters<Metrics['decided']>[0] | undefined
  let lastKey = ''
  return {
    decided(labels) {
      const { verdict, reason, server, mode } = labels
      if (
        last?.verdict !== verdict ||
        last.reason !== reason ||
        last.server !== server ||
        last.mode !== mode
      ) {
        lastKey = `valetkey_decisions_total{verdict="${verdict}",reason="${reason}",server="${server}",mode="${mode}"}`
        last = labels
      }
      counts.set(lastKey, (counts.get(lastKey) ?? 0) + 1)
    },
    render(gauges) {
      const lines = [
        '# HELP valetkey_decisions_total Calls decided.',
        '# TYPE valetkey_decisions_total counter',
      ]
      for (const [key, count] of counts) lines.push(`${key} ${count}`)
      for (const [name, value] of Object.entries(gauges))
        lines.push(`# TYPE ${name} gauge`, `${name} ${value}`)
      return `${lines.join('\n')}\n`
    },
  }
}
