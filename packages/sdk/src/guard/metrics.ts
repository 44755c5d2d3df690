/** Counts what an enforcement point decides, for Prometheus: most denials are HTTP 200 and must be countable. */
export interface Metrics {
  decided(labels: { verdict: string; reason: string; server: string; mode: string }): void
  /** Text exposition format 0.0.4; `gauges` are read at this moment. */
  render(gauges: Record<string, number>): string
}

export function createMetrics(): Metrics {
  const counts = new Map<string, number>()
  return {
    decided({ verdict, reason, server, mode }) {
      const key = `valetkey_decisions_total{verdict="${verdict}",reason="${reason}",server="${server}",mode="${mode}"}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
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
