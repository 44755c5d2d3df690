/** Hides how evidence is kept: what was done and what was called, appended once, found again. */
export { type ChangeEvent, record } from './record.ts'
