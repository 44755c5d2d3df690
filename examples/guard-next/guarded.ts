// One guard for all routes of the process, however often Next loads this file.
import { createGuard } from '@valetkey/sdk/guard'
import { createInvoices } from '../invoices.ts'

const kept = globalThis as { guarded?: (request: Request) => Promise<Response> }
kept.guarded ??= createGuard().fetch(createInvoices().fetch)

export const guarded = kept.guarded
