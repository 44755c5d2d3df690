/** The value below which a share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** Microseconds per call, a sample a batch: the clock is too coarse for one call. The first tenth warms up. */
export function sampleMicros(batches: number, batchSize: number, work: (i: number) => void): number[] {
  const samples: number[] = []
  let i = 0
  for (let batch = 0; batch < batches; batch++) {
    const from = process.hrtime.bigint()
    for (const end = i + batchSize; i < end; i++) work(i)
    const micros = Number(process.hrtime.bigint() - from) / 1000 / batchSize
    if (batch >= batches / 10) samples.push(micros)
  }
  return samples
}

/** Microseconds of each call by itself, the clock's own share included (`clockMicros`); to make it ready does not count. */
export function eachMicros<T, R>(
  items: readonly T[],
  ready: (item: T) => R,
  work: (ready: R) => void,
): number[] {
  const samples = new Float64Array(items.length)
  for (const [i, item] of items.entries()) {
    const made = ready(item)
    const from = performance.now()
    work(made)
    samples[i] = (performance.now() - from) * 1000
  }
  return [...samples]
}

/** What it costs to measure one call. */
export function clockMicros(): number {
  const nothing = () => undefined
  return median(eachMicros(Array.from({ length: 10_000 }), nothing, nothing))
}

/** CPU microseconds, user and system, that this process spent on some work. */
export async function cpuMicros(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** Numbers that look random and are the same in every run. */
export function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
