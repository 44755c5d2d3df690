/** One attribute of a resource (RFC 7643 section 7): what it may hold, and who may write it. */
export interface Attribute {
  name: string
  type: 'string' | 'boolean' | 'complex' | 'reference' | 'dateTime'
  description: string
  isMany?: true
  isRequired?: true
  isReadOnly?: true
  /** Compared character by character. */
  isExact?: true
  isUnique?: true
  parts?: readonly Attribute[]
}

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const text = (name: string, description: string): Attribute => ({ name, type: 'string', description })
const plural = (name: string, description: string): Attribute => ({
  ...{ name, type: 'complex', isMany: true, description },
  parts: [
    text('value', 'The value itself.'),
    text('display', 'The value as people read it.'),
    text('type', 'What it is for: work, home, other.'),
    { name: 'primary', type: 'boolean', description: 'Whether it is the one to use.' },
  ],
})

/** What every resource has. */
const COMMON: readonly Attribute[] = [
  { ...text('id', 'Our own id.'), isReadOnly: true, isExact: true, isUnique: true },
  { ...text('externalId', 'What the directory calls it.'), isExact: true },
  {
    ...{ name: 'meta', type: 'complex', isReadOnly: true, description: 'When it was made and changed.' },
    parts: [
      text('resourceType', 'User or Group.'),
      { name: 'created', type: 'dateTime', description: 'When it was made.' },
      { name: 'lastModified', type: 'dateTime', description: 'When it was changed last.' },
      { name: 'location', type: 'reference', description: 'Its address.' },
    ],
  },
]

/** What we keep of people: who they are and whether they are here. What a directory sends beside it is forgotten. */
const PEOPLE: readonly Attribute[] = [
  { ...text('userName', 'What the person signs in with.'), isRequired: true, isUnique: true },
  {
    ...{ name: 'name', type: 'complex', description: 'The parts of the name.' },
    parts: ['formatted', 'familyName', 'givenName', 'middleName', 'honorificPrefix', 'honorificSuffix'].map(
      part => text(part, 'A part of the name.'),
    ),
  },
  text('displayName', 'The name as people read it.'),
  text('nickName', 'What the person is called in passing.'),
  text('title', 'The position.'),
  text('userType', 'Employee, contractor and so on.'),
  text('preferredLanguage', 'The language of the person.'),
  text('locale', 'How dates and numbers are written.'),
  text('timezone', 'The time zone.'),
  {
    name: 'active',
    type: 'boolean',
    description: 'Whether the person is here: what they let agents do ends with false.',
  },
  plural('emails', 'Email addresses.'),
  {
    ...{
      name: 'groups',
      type: 'complex',
      isMany: true,
      isReadOnly: true,
      description: 'The groups of the person.',
    },
    parts: [text('value', 'The id of the group.'), text('display', 'Its name.')],
  },
]

const EMPLOYEE: readonly Attribute[] = [
  ...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map(part =>
    text(part, 'Where the person belongs in the company.'),
  ),
  {
    ...{ name: 'manager', type: 'complex', description: 'Whom the person reports to.' },
    parts: [text('value', 'The id of the manager.'), text('displayName', 'The name of the manager.')],
  },
]

const GROUPS: readonly Attribute[] = [
  { ...text('displayName', 'What the group is called.'), isRequired: true, isUnique: true },
  {
    ...{ name: 'members', type: 'complex', isMany: true, description: 'The people of the group.' },
    parts: [
      { ...text('value', 'The id of a person.'), isExact: true },
      text('display', 'The name of the person.'),
      text('type', 'User.'),
    ],
  },
]

/** A kind of resource: its attributes, and those of its extensions by their URN. */
export interface Schema {
  id: string
  name: 'User' | 'Group'
  description: string
  attributes: readonly Attribute[]
  extensions: ReadonlyMap<string, readonly Attribute[]>
}

export const USER_SCHEMA: Schema = {
  ...{ id: USER, name: 'User', description: 'A person of the organization.' },
  attributes: [...COMMON, ...PEOPLE],
  extensions: new Map([[ENTERPRISE, EMPLOYEE]]),
}
export const GROUP_SCHEMA: Schema = {
  ...{ id: GROUP, name: 'Group', description: 'People who get roles together.' },
  attributes: [...COMMON, ...GROUPS],
  extensions: new Map(),
}

/** The attributes themselves, without what every resource has, as `/Schemas` shows them. */
export const SHOWN: readonly {
  id: string
  name: string
  description: string
  attributes: readonly Attribute[]
}[] = [
  { id: USER, name: 'User', description: USER_SCHEMA.description, attributes: PEOPLE },
  { id: ENTERPRISE, name: 'EnterpriseUser', description: 'A person as an employee.', attributes: EMPLOYEE },
  { id: GROUP, name: 'Group', description: GROUP_SCHEMA.description, attributes: GROUPS },
]

/** Names are compared without regard to case (RFC 7643 section 2.1). */
export function findAttribute(attributes: readonly Attribute[], name: string): Attribute | undefined {
  const wanted = name.toLowerCase()
  return attributes.find(attribute => attribute.name.toLowerCase() === wanted)
}

/** Where a path leads: into the resource itself or an extension, and which attribute there it begins with. */
export interface Place {
  /** The URN of the extension; undefined for the resource itself. */
  extension: string | undefined
  attributes: readonly Attribute[]
  /** What is left of the path. */
  rest: string
}

/** Takes the URN off a path; one of neither the resource nor an extension of it stays, and names nothing. */
export function placeOf(schema: Schema, path: string): Place {
  const lower = path.toLowerCase()
  for (const [urn, attributes] of [[schema.id, schema.attributes], ...schema.extensions] as const) {
    const prefix = urn.toLowerCase()
    const extension = urn === schema.id ? undefined : urn
    if (lower === prefix) return { extension, attributes, rest: '' }
    if (lower.startsWith(`${prefix}:`)) return { extension, attributes, rest: path.slice(urn.length + 1) }
  }
  return { extension: undefined, attributes: schema.attributes, rest: path }
}
