/** Hides how people sign in and what they see there: accounts (better-auth), invitations, and the pages. */
export type { Accounts } from './accounts.ts'
export { listFactorsOf, removeFactorOf, signOutPerson } from './administration.ts'
export { invite } from './invitation.ts'
export { openAccounts } from './open-accounts.ts'
export { problemPage } from './pages/account.ts'
export { createPages, type Pages } from './routes.ts'
export { createScim, type Scim } from './scim/routes.ts'
