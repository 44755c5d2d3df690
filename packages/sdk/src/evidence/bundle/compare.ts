import type { BundleReport, Claim, Finding } from './report.ts'

/**
 * Holds what others were shown of a log against a bundle of it: a checkpoint that was kept elsewhere, another bundle, the
 * log of heads. Two that hold and do not belong to one history are a split view.
 */
export function compareWithClaims(report: BundleReport, claims: readonly Claim[]): Finding[] {
  const { about, checkpoint } = report
  if (!about || !checkpoint) return []
  const findings: Finding[] = []
  const found = (kind: 'cut' | 'forked', sentence: string) =>
    void findings.push({ kind, first: null, last: null, id: null, sentence })
  const ours = claims.filter(({ origin }) => origin === about.origin)
  const roots = report.rootsAt(ours.map(({ size }) => size).filter(size => size <= checkpoint.size))
  for (const { origin, size, root } of report.claims)
    if (origin === about.origin && !roots.has(size)) roots.set(size, root)
  for (const { size, root, by } of ours) {
    const here = roots.get(size)
    if (size > checkpoint.size)
      found('cut', `By ${by}, ${about.origin} had ${size} entries; this ends at ${checkpoint.size}.`)
    else if (here && !here.equals(root))
      found(
        'forked',
        `${about.origin} has two histories: by ${by}, its first ${size} entries are others than these.`,
      )
  }
  return findings
}
