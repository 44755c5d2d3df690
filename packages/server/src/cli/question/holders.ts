import { type AdminApi, ApiError, type Output } from '@valetkey/sdk/contract'
import { allPages, type Session } from '../session.ts'
import type { View } from '../terminal/index.ts'

type Held = Output<AdminApi['access']['principals']>['items'][number]

/** Somebody who can do something on a resource now, and by which roles. */
export interface Holder extends Pick<Held, 'principal' | 'kind' | 'name'> {
  permissions: string[]
  via: Held['via'][]
}

export const holderView: View<Holder> = {
  kind: 'Holder',
  name: holder => holder.name,
  columns: [
    { header: 'WHO', value: holder => holder.name },
    { header: 'KIND', value: holder => holder.kind },
    { header: 'MAY', value: holder => holder.permissions.join(' ') },
    { header: 'BY ROLE', value: holder => holder.via.map(byRole).join(', ') },
    { header: 'GIVEN BY', value: holder => [...new Set(holder.via.map(via => via.createdBy))].join(', ') },
    { header: 'ID', value: holder => holder.principal, wide: true },
  ],
}

function byRole({ role, on, group }: Held['via']): string {
  return `${role} on ${on}${group === null ? '' : ` through ${group}`}`
}

/**
 * Who can do anything on a resource now: one row for each, for all permissions of the resource's type. Of an open type
 * nothing is registered: there it is who can on the resource that it is named below, or on the whole organization.
 * Undefined where there is no such type or resource, or where who asks may not ask about access.
 */
export async function holdersOf(session: Session, path: string): Promise<Holder[] | undefined> {
  const parts = path.split('/')
  const { api, organization } = session
  try {
    const type = (await allPages(page => api.resourceTypes.list(page))).find(
      ({ slug }) => slug === parts.at(-2),
    )
    if (!type) return undefined
    const isOpen = type.instances === 'open'
    const resource = parts.slice(isOpen ? -4 : -2).join('/')
    const registered = isOpen ? parts.slice(-4, -2).join('/') : resource
    if (registered !== '') await api.resources.get({ ...organization, resource: registered })
    const all = await allPages(page => api.permissions.list(page))
    const found = new Map<string, Holder>()
    for (const { slug } of all.filter(permission => permission.type === type.slug)) {
      const asked = { ...organization, permission: slug, resource }
      for (const held of await allPages(page => api.access.principals({ ...page, ...asked })))
        join(found, slug, held)
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return undefined
    throw error
  }
}

function join(found: Map<string, Holder>, permission: string, { principal, kind, name, via }: Held): void {
  const holder = found.get(principal) ?? { principal, kind, name, permissions: [], via: [] }
  holder.permissions.push(permission)
  if (!holder.via.some(({ assignment }) => assignment === via.assignment)) holder.via.push(via)
  found.set(principal, holder)
}
