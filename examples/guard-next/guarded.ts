// One guard for all routes of the process, however often Next loads this file; none while Next builds.
import { createGuard } from '@valetkey/sdk/guard'
import { createInvoices } from '../invoices.ts'

const kept = globalThis as { guarded?: (request: Request) => Promise<Response> }

export function guarded(request: Request): Promise<Response> {
  kept.guarded ??= createGuard().fetch(createInvoices().fetch)
  return kept.guarded(request)
}
