import { ROOT_RESOURCE } from '../core/index.ts'
import type { OrganizationView } from './organization.ts'
import { escapeSegment, unescapeSegment } from './template.ts'

/** Type and id of a resource as one text, `invoice/INV-1`. */
export function refOf(view: OrganizationView, seq: number): string {
  const type = view.catalogue.typeAt[view.tree.typeOf(seq)]?.fact.slug ?? '?'
  const id = view.tree.externalIdOf(seq)
  return `${type}/${view.tree.isPlain(seq) ? id : escapeSegment(id)}`
}

/** Where a resource lies, from below the organization down to it: `customer/acme/invoice/INV-1`. */
export function pathOf(view: OrganizationView, seq: number): string {
  return pathBelow(view, view.tree.parentOf(seq)) + refOf(view, seq)
}

/** How the paths of what lies below a resource begin: nothing for the organization itself. */
export function pathBelow(view: OrganizationView, seq: number): string {
  let path = ''
  for (let at = seq; at !== 0 && at !== ROOT_RESOURCE; at = view.tree.parentOf(at))
    path = `${refOf(view, at)}/${path}`
  return path
}

/** Reads `invoice/INV-1`; undefined where it is not of that form. */
export function parseRef(ref: string): { type: string; id: string } | undefined {
  const [type = '', id = '', ...rest] = ref.split('/')
  return type === '' || id === '' || rest.length > 0 ? undefined : { type, id: unescapeSegment(id) }
}

/** The number of the resource of a type (by slug) and an id; 0 where there is none. */
export function findResource(view: OrganizationView, type: string, id: string): number {
  const known = view.catalogue.typesBySlug.get(type)
  return known ? view.tree.find(known.number, id) : 0
}
