/** Hides how a permission is looked up, a condition evaluated and an argument checked: facts in, one decision out. */
export { decide, mayObtain, mayUse, type Refusal, refuseCaller, ruleFor } from './decide.ts'
export { describe } from './describe.ts'
export * from './request.ts'
export { checkRule } from './rule.ts'
export { createSnapshot, type Snapshot } from './snapshot.ts'
