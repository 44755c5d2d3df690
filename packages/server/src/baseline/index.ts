/**
 * Hides what agents usually do and when one does otherwise: profiles that are learned from the evidence, alerts that name
 * the records they rest on, and suspension where an organization wants it. What it guarantees: each change is told of
 * once, however often nodes stop; no call and no ingest waits for it; memory and profiles are bounded.
 */

export { type Baseline, openBaseline } from './open.ts'
