import { type Attribute, findAttribute, placeOf, type Schema } from './attributes.ts'
import { ScimError } from './error.ts'
import { readValueFilter, type Tree } from './filter.ts'
import { isObject, manyOf, type Part, readValue, type Value } from './value.ts'

const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const MOST_OPERATIONS = 1_000

interface Operation {
  op: 'add' | 'replace' | 'remove'
  path: string | undefined
  value: unknown
}

/**
 * Applies a PATCH to a resource (RFC 7644 section 3.5.2), as the well-known directories send it: with operations in any
 * case, without a path, with paths as keys. What is not kept here is passed over, so that it keeps nobody from the rest.
 */
export function patch(schema: Schema, resource: Part, body: unknown): Part {
  const patched = structuredClone(resource)
  const operations = gather(schema, readOperations(body))
  refuseSlow(resource, operations)
  for (const operation of operations) apply(schema, patched, operation)
  return patched
}

/** Makes one operation of many alike that follow one another: large groups change by hundreds of them. */
function gather(schema: Schema, operations: readonly Operation[]): Operation[] {
  const gathered: Operation[] = []
  let alike: { op: string; name: string; values: unknown[] } | undefined
  for (const operation of operations) {
    const whole = wholeValues(schema, operation)
    if (whole && alike && alike.op === operation.op && alike.name === whole.name)
      for (const value of whole.values) alike.values.push(value)
    else {
      alike = whole && { op: operation.op, ...whole }
      gathered.push(alike ? { op: operation.op, path: alike.name, value: alike.values } : operation)
    }
  }
  return gathered
}

/** `members`, or `members[value eq "…"]` to be removed: of attributes of which no value changes another. */
const WHOLE = /^([A-Za-z]+)(?:\[ *value +eq +"([^"\\]*)" *\])?$/i

function wholeValues(
  { attributes }: Schema,
  { op, path = '', value }: Operation,
): { name: string; values: unknown[] } | undefined {
  const [, name = '', one] = WHOLE.exec(path) ?? []
  const attribute = findAttribute(attributes, name)
  if (op === 'replace' || !attribute?.isMany || attribute.isReadOnly) return undefined
  if (findAttribute(attribute.parts ?? [], 'primary')) return undefined
  if (one !== undefined)
    return op === 'remove' ? { name: attribute.name, values: [{ value: one }] } : undefined
  if (value === undefined || value === null) return undefined
  return { name: attribute.name, values: Array.isArray(value) ? [...(value as unknown[])] : [value] }
}

/** How many values all operations together may have to look at. */
const MOST_LOOKS = 1_000_000

function refuseSlow(resource: Part, operations: readonly Operation[]): void {
  const sizes = operations.map(({ value }) => sizeOf(value))
  const values = sizeOf(resource) + sizes.reduce((sum, size) => sum + size, 0)
  if (values * operations.length <= MOST_LOOKS) return
  throw new ScimError(413, 'This changes too much by too many operations. Send fewer, with more values each.')
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  if (!isObject(value)) return 1
  return Object.values(value).reduce<number>((sum, one) => sum + sizeOf(one), 0)
}

function readOperations(body: unknown): Operation[] {
  const schemas = isObject(body) ? body['schemas'] : undefined
  const operations = isObject(body) ? (body['Operations'] ?? body['operations']) : undefined
  if (!Array.isArray(schemas) || !schemas.includes(PATCH) || !Array.isArray(operations))
    throw new ScimError(400, 'This is not a PATCH of SCIM 2.0.', 'invalidSyntax')
  if (operations.length === 0 || operations.length > MOST_OPERATIONS)
    throw new ScimError(400, `A PATCH has 1 to ${MOST_OPERATIONS} operations.`, 'invalidSyntax')
  return (operations as unknown[]).map(readOperation)
}

function readOperation(sent: unknown): Operation {
  const { op, path, value } = isObject(sent) ? sent : {}
  const name = typeof op === 'string' ? op.toLowerCase() : ''
  if (name !== 'add' && name !== 'replace' && name !== 'remove')
    throw new ScimError(400, 'An operation is add, replace or remove.', 'invalidSyntax')
  if (path !== undefined && path !== null && typeof path !== 'string')
    throw new ScimError(400, 'A path is a text.', 'invalidPath')
  if (name === 'remove' && !path) throw new ScimError(400, 'What is to be removed?', 'noTarget')
  return { op: name, path: path || undefined, value }
}

function apply(schema: Schema, resource: Part, { op, path, value }: Operation): void {
  if (path !== undefined) applyAt(schema, resource, { op, path, value }, true)
  else if (isObject(value))
    for (const [key, one] of Object.entries(value))
      applyAt(schema, resource, { op, path: key, value: one }, false)
  else throw new ScimError(400, 'Without a path, the value is an object.', 'invalidValue')
}

/** `attribute`, `attribute.part`, `attribute[filter]` or `attribute[filter].part`. */
const PATH = /^([A-Za-z$][\w$-]*)(?:\[([^\]]*)\])?(?:\.([A-Za-z$][\w$-]*))?$/

function applyAt(
  schema: Schema,
  resource: Part,
  { op, path, value }: Operation & { path: string },
  isExplicit: boolean,
): void {
  const { extension, attributes, rest } = placeOf(schema, path)
  if (rest === '') {
    if (extension !== undefined) applyExtension(schema, resource, { op, path: extension, value })
    return
  }
  // Of an extension that is not kept here.
  if (/^urn:/i.test(rest)) return
  const [, name = '', condition, sub] = PATH.exec(rest) ?? []
  const attribute = findAttribute(attributes, name)
  if (!attribute) {
    if (name === '') throw new ScimError(400, 'This path cannot be read.', 'invalidPath')
    return
  }
  if (attribute.isReadOnly) {
    // Okta sends the id along.
    if (!isExplicit) return
    throw new ScimError(400, `${attribute.name} cannot be written.`, 'mutability')
  }
  const holder = extension === undefined ? resource : extend(resource, extension)
  const part = sub === undefined ? undefined : findAttribute(attribute.parts ?? [], sub)
  if (sub !== undefined && !part) return
  if (condition !== undefined) {
    const filter = readValueFilter(attribute, condition)
    applyFiltered(holder, { attribute, part, filter, op, value })
  } else if (part) applyPart(holder, { attribute, part, op, value })
  else applyWhole(holder, { attribute, op, value })
}

function applyExtension(
  schema: Schema,
  resource: Part,
  { op, path: urn, value }: Operation & { path: string },
): void {
  if (op === 'remove') delete resource[urn]
  else if (isObject(value))
    for (const [key, one] of Object.entries(value))
      applyAt(schema, resource, { op, path: `${urn}:${key}`, value: one }, false)
}

function extend(resource: Part, urn: string): Part {
  const held = resource[urn]
  if (typeof held === 'object' && !Array.isArray(held)) return held
  const made: Part = {}
  resource[urn] = made
  return made
}

interface Change {
  attribute: Attribute
  op: Operation['op']
  value: unknown
}

function applyWhole(holder: Part, { attribute, op, value }: Change): void {
  const { name } = attribute
  const read = readValue(attribute, value, name)
  const held = holder[name]
  if (op === 'remove') {
    // Entra names the members to be removed in the value; with none named, none is meant.
    if (Array.isArray(value) && value.length === 0) return
    if (attribute.isMany && Array.isArray(read)) setMany(holder, name, without(manyOf(holder, name), read))
    else delete holder[name]
  } else if (read === undefined) {
    if (op === 'replace') delete holder[name]
  } else if (Array.isArray(read))
    setMany(holder, name, op === 'add' ? joined(manyOf(holder, name), read) : read)
  else if (typeof read === 'object' && typeof held === 'object' && !Array.isArray(held))
    holder[name] = { ...held, ...read }
  else holder[name] = read
}

function applyPart(holder: Part, { attribute, part, op, value }: Change & { part: Attribute }): void {
  const read = readValue(part, value, `${attribute.name}.${part.name}`)
  if (attribute.isMany) {
    for (const one of manyOf(holder, attribute.name)) setPart(one, part.name, op, read)
    return
  }
  const held = holder[attribute.name]
  const target: Part = typeof held === 'object' && !Array.isArray(held) ? held : {}
  setPart(target, part.name, op, read)
  if (Object.keys(target).length > 0) holder[attribute.name] = target
  else delete holder[attribute.name]
}

type ValueFilter = ReturnType<typeof readValueFilter>

function applyFiltered(
  holder: Part,
  { attribute, part, filter, op, value }: Change & { part: Attribute | undefined; filter: ValueFilter },
): void {
  const { name } = attribute
  const all = manyOf(holder, name)
  if (op === 'remove' && !part) {
    const left = all.filter(one => !filter.test(one))
    setMany(holder, name, left)
    return
  }
  const met = all.filter(filter.test)
  if (op === 'remove') {
    if (part) for (const one of met) delete one[part.name]
    return
  }
  if (met.length === 0) {
    const made = part ? fromFilter(attribute, filter.tree) : undefined
    if (!made) throw new ScimError(400, `No value of ${name} is like that.`, 'noTarget')
    all.push(made)
    met.push(made)
  }
  const read = readValue(part ?? { ...attribute, isMany: undefined as never }, value, name)
  for (const one of met)
    if (part) setPart(one, part.name, op, read)
    else if (typeof read === 'object' && !Array.isArray(read)) Object.assign(one, read)
  setMany(holder, name, all)
}

/** `emails[type eq "work"].value` makes a work address where there is none yet. */
function fromFilter(attribute: Attribute, filter: Tree): Part | undefined {
  if (filter.op === 'and') {
    const parts = filter.filters.map(one => fromFilter(attribute, one))
    return parts.every(one => one !== undefined) ? Object.assign({}, ...parts) : undefined
  }
  const part = filter.op === 'eq' ? findAttribute(attribute.parts ?? [], filter.attrPath) : undefined
  const read = part && filter.op === 'eq' ? readValue(part, filter.compValue, attribute.name) : undefined
  return part && read !== undefined ? { [part.name]: read } : undefined
}

function setPart(target: Part, name: string, op: Operation['op'], value: Value | undefined): void {
  if (op === 'remove' || value === undefined) delete target[name]
  else target[name] = value
}

function setMany(holder: Part, name: string, values: Part[]): void {
  if (values.length > 0) holder[name] = values
  else delete holder[name]
}

const keyOf = ({ value, type }: Part) => `${String(value).toLowerCase()} ${String(type ?? '').toLowerCase()}`

/** One value once; a new primary one takes that from the others. */
function joined(held: readonly Part[], added: readonly Part[]): Part[] {
  const isNewPrimary = added.some(one => one['primary'] === true)
  const kept = held.map(one => (isNewPrimary && one['primary'] === true ? { ...one, primary: false } : one))
  const known = new Set(kept.map(keyOf))
  return [...kept, ...added.filter(one => !known.has(keyOf(one)))]
}

function without(held: readonly Part[], removed: readonly Part[]): Part[] {
  const gone = new Set(removed.map(({ value }) => String(value).toLowerCase()))
  return held.filter(({ value }) => !gone.has(String(value).toLowerCase()))
}
