import { findAttribute, placeOf, type Schema } from './attributes.ts'
import { ScimError } from './error.ts'
import type { Kind, Stored } from './resource.ts'
import { isObject, type Part, type Value } from './value.ts'

const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'
const MOST_NAMES = 100

/** Which attributes are to be shown, or left out (RFC 7644 section 3.9). */
export interface Selection {
  attributes: string | undefined
  excludedAttributes: string | undefined
}

/** A resource as it leaves: with its schemas, its id and where it is. */
export function showResource(kind: Kind, base: string, stored: Stored, selection: Selection): object {
  const { id, resource, createdAt, updatedAt } = stored
  const { schema } = kind
  const extensions = [...schema.extensions.keys()].filter(urn => urn in resource)
  const location = `${base}/${schema.name}s/${id}`
  const shown = select(schema, resource, selection)
  return {
    schemas: [schema.id, ...extensions.filter(urn => urn in shown)],
    id,
    ...shown,
    meta: { resourceType: schema.name, created: createdAt, lastModified: updatedAt, location },
  }
}

export function showList(items: readonly object[], total: number, startIndex: number): object {
  return { schemas: [LIST], totalResults: total, startIndex, itemsPerPage: items.length, Resources: items }
}

/** Whether an attribute will be shown: what will not be needs not be read. */
export function isShown(
  schema: Schema,
  name: string,
  { attributes, excludedAttributes }: Selection,
): boolean {
  const namesIt = (path: string) => {
    const { extension, attributes: known, rest } = placeOf(schema, path)
    return extension === undefined && findAttribute(known, rest.split('.', 1)[0] ?? '')?.name === name
  }
  if (attributes !== undefined) return namesIn(attributes).some(namesIt)
  return !namesIn(excludedAttributes ?? '').some(namesIt)
}

function select(schema: Schema, resource: Part, { attributes, excludedAttributes }: Selection): Part {
  if (attributes !== undefined && excludedAttributes !== undefined)
    throw new ScimError(400, 'Name attributes, or excludedAttributes, one of the two.', 'invalidValue')
  if (attributes !== undefined) return only(schema, resource, namesIn(attributes))
  if (excludedAttributes === undefined) return resource
  const left = structuredClone(resource)
  for (const name of namesIn(excludedAttributes)) leaveOut(schema, left, name)
  return left
}

function namesIn(text: string): string[] {
  const names = text.split(',').map(name => name.trim())
  if (names.length > MOST_NAMES) throw new ScimError(400, 'Too many attributes are named.', 'tooMany')
  return names.filter(name => name !== '')
}

function only(schema: Schema, resource: Part, names: readonly string[]): Part {
  const shown: Part = {}
  for (const path of names) {
    const { extension, attributes, rest } = placeOf(schema, path)
    const [name = '', sub] = rest.split('.')
    const attribute = findAttribute(attributes, name)
    const from = extension === undefined ? resource : resource[extension]
    const value = attribute && isObject(from) ? (from as Part)[attribute.name] : undefined
    if (!attribute || value === undefined) continue
    const part = sub === undefined ? undefined : findAttribute(attribute.parts ?? [], sub)
    if (sub !== undefined && !part) continue
    const into = extension === undefined ? shown : openExtension(shown, extension)
    into[attribute.name] = part ? partOf(value, part.name) : value
  }
  return shown
}

function openExtension(shown: Part, urn: string): Part {
  const held = shown[urn]
  if (isObject(held)) return held as Part
  const made: Part = {}
  shown[urn] = made
  return made
}

function partOf(value: Value, name: string): Value {
  const pick = (one: Part): Part => (one[name] === undefined ? {} : { [name]: one[name] })
  if (Array.isArray(value)) return value.map(pick)
  return isObject(value) ? pick(value as Part) : value
}

function leaveOut(schema: Schema, resource: Part, path: string): void {
  const { extension, attributes, rest } = placeOf(schema, path)
  if (rest === '' && extension !== undefined) delete resource[extension]
  const attribute = findAttribute(attributes, rest)
  const holder = extension === undefined ? resource : resource[extension]
  if (attribute && !attribute.isRequired && isObject(holder)) delete holder[attribute.name]
}
