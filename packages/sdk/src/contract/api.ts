import { access } from './access.ts'
import { agents } from './agents.ts'
import { alerts } from './alerts.ts'
import { delegations } from './delegations.ts'
import { evidence } from './evidence.ts'
import { federation } from './federation.ts'
import { installation } from './installation.ts'
import { issuers } from './issuers.ts'
import { signingKeys } from './keys.ts'
import { organizations } from './organizations.ts'
import { people } from './people.ts'
import { record } from './record.ts'
import { requests } from './requests.ts'
import { resources } from './resources.ts'
import { revocations } from './revocations.ts'
import { roles } from './roles.ts'
import type { Api } from './route.ts'
import { servers } from './servers.ts'
import { session } from './session.ts'
import { signals } from './signals.ts'
import { sinks } from './sinks.ts'

/** The admin API. Ids may be written as ids or, within an organization, as names. */
export const api = {
  ...session,
  ...organizations,
  ...people,
  ...federation,
  ...issuers,
  ...signals,
  ...agents,
  ...alerts,
  ...sinks,
  ...servers,
  ...resources,
  ...requests,
  ...roles,
  ...access,
  ...delegations,
  ...revocations,
  ...installation,
  ...signingKeys,
  ...record,
  ...evidence,
} as const satisfies Api

export type AdminApi = typeof api
