/** Hides how policy files are read, compared with what stands, and applied as one change. */
export { applyPolicy } from './apply.ts'
export { readPolicy } from './fault.ts'
export { MAPS, type MapName, Policy } from './format.ts'
export { type Finding, lintPolicy } from './lint.ts'
export { PolicyError, type PolicyFile, type PolicySource, parsePolicy } from './parse.ts'
export { whatIfPolicy } from './what-if.ts'
