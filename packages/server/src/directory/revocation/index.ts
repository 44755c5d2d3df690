export { freeze, thaw } from './freeze.ts'
export { previewRevocation } from './preview.ts'
export { createRevocation, type RevokeElsewhere, type WaitForPoints } from './revoke.ts'
export { denyToken } from './token.ts'
