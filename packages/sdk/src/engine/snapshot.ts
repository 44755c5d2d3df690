import {
  CATALOGUE,
  type CatalogueChange,
  type CatalogueOp,
  type Change,
  isCatalogueChange,
  ROOT_TYPE,
} from '../core/index.ts'
import { applyToCatalogue, type CatalogueView, catalogueOps, emptyCatalogue } from './catalogue.ts'
import {
  applyToOrganization,
  emptyOrganization,
  type OrganizationView,
  organizationOps,
} from './organization.ts'

/**
 * The replica that decisions are made on: the catalogue and the organizations that were loaded. A change is applied
 * whole, between two awaits, so that every decision sees exactly one revision of each.
 */
export interface Snapshot {
  readonly catalogue: CatalogueView
  organization(id: string): OrganizationView | undefined
  /** Ids of the organizations that are held. */
  organizations(): string[]
  /** Revision that is held, or undefined where nothing is. The catalogue goes by the name `catalogue`. */
  revisionOf(organization: string): number | undefined
  /** Applies the next revision. An older one is ignored; a gap gives false, and the caller loads anew. */
  apply(change: Change): boolean
  /** Replaces all that is held of an organization (or the catalogue) by these facts. */
  load(change: Change): void
  /** Forgets an organization. */
  drop(organization: string): void
  /** All facts that are held of an organization (or the catalogue), as the change from nothing; undefined where none are. */
  facts(organization: string): Change | undefined
  /** A copy of the catalogue and one organization, to try changes on. */
  fork(organization: string): Snapshot
  /** About how much memory an organization takes. */
  bytesOf(organization: string): number
}

export function createSnapshot(): Snapshot {
  const catalogue = emptyCatalogue()
  const organizations = new Map<string, OrganizationView>()

  const snapshot: Snapshot = {
    catalogue,
    organization: id => organizations.get(id),
    organizations: () => [...organizations.keys()],
    revisionOf: id => (id === CATALOGUE ? catalogue.revision : organizations.get(id)?.revision),
    apply(change) {
      const held = change.organization === CATALOGUE ? catalogue : organizations.get(change.organization)
      if (!held || change.revision <= held.revision) return true
      if (change.revision !== held.revision + 1) return false
      if (isCatalogueChange(change)) for (const op of change.ops) applyToCatalogue(catalogue, op)
      else applyAll(organizations.get(change.organization), change)
      held.revision = change.revision
      held.version = {}
      return true
    },
    load(change) {
      if (isCatalogueChange(change)) {
        reloadCatalogue(catalogue, change)
        return
      }
      const fresh = emptyOrganization(change.organization, catalogue)
      applyAll(fresh, change)
      fresh.revision = change.revision
      organizations.set(change.organization, fresh)
    },
    drop: id => void organizations.delete(id),
    facts(id) {
      const organization = organizations.get(id)
      if (id === CATALOGUE)
        return { organization: CATALOGUE, revision: catalogue.revision, ops: catalogueOps(catalogue) }
      return (
        organization && {
          organization: id,
          revision: organization.revision,
          ops: organizationOps(organization),
        }
      )
    },
    fork(id) {
      const copy = createSnapshot()
      for (const part of [CATALOGUE, id]) {
        const facts = snapshot.facts(part)
        if (facts) copy.load(facts)
      }
      return copy
    },
    bytesOf: id => bytesOf(organizations.get(id)),
  }
  return snapshot
}

function applyAll(view: OrganizationView | undefined, change: Change): void {
  if (!view || isCatalogueChange(change)) return
  for (const op of change.ops) applyToOrganization(view, op)
}

/** In place, since organizations hold on to it and to its roles. What the new facts do not name any more is gone. */
function reloadCatalogue(catalogue: CatalogueView, change: CatalogueChange): void {
  const named = new Set(change.ops.map(op => `${op.fact} ${op.id}`))
  for (const op of catalogueOps(catalogue))
    if (!named.has(`${op.fact} ${op.id}`) && op.id !== ROOT_TYPE)
      applyToCatalogue(catalogue, { ...op, value: null } as CatalogueOp)
  for (const op of change.ops) applyToCatalogue(catalogue, op)
  catalogue.revision = change.revision
  catalogue.version = {}
}

const BYTES_OF_HOLDING = 450
const BYTES_OF_OTHERS = 500

function bytesOf(view: OrganizationView | undefined): number {
  if (!view) return 0
  const others = view.principals.size + view.agents.size + view.credentials.size + view.grants.size
  return view.tree.bytes + view.holdings.size * BYTES_OF_HOLDING + others * BYTES_OF_OTHERS
}
