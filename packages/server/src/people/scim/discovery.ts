import { type Attribute, ENTERPRISE, GROUP, SHOWN, USER } from './attributes.ts'

/** A document of its own, as a list shows it too. */
export interface Document {
  id: string
  [member: string]: unknown
}

const SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema'

/** What a directory may expect of us (RFC 7643 section 5). */
export function serviceProviderConfig(base: string, mostResults: number): object {
  const no = { supported: false }
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    patch: { supported: true },
    bulk: { ...no, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: mostResults },
    ...{ changePassword: no, sort: no, etag: no },
    authenticationSchemes: [
      {
        ...{ type: 'oauthbearertoken', name: 'Bearer token', primary: true },
        description: 'A token that "valetkey scim token create" has made.',
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
  }
}

export function resourceTypes(base: string): Document[] {
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:ResourceType']
  const at = (id: string) => ({ resourceType: 'ResourceType', location: `${base}/ResourceTypes/${id}` })
  const user = {
    endpoint: '/Users',
    schema: USER,
    schemaExtensions: [{ schema: ENTERPRISE, required: false }],
  }
  const group = { endpoint: '/Groups', schema: GROUP }
  return [
    { schemas, id: 'User', name: 'User', description: 'People', ...user, meta: at('User') },
    { schemas, id: 'Group', name: 'Group', description: 'Groups', ...group, meta: at('Group') },
  ]
}

export function schemas(base: string): Document[] {
  return SHOWN.map(({ id, name, description, attributes }) => ({
    ...{ schemas: [SCHEMA], id, name, description, attributes: attributes.map(show) },
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
  }))
}

function show(attribute: Attribute): object {
  const { name, type, description, isMany, isRequired, isReadOnly, isExact, isUnique, parts } = attribute
  return {
    ...{ name, type, description, multiValued: isMany === true, required: isRequired === true },
    ...{ mutability: isReadOnly ? 'readOnly' : 'readWrite', returned: 'default' },
    ...(type === 'string' && { caseExact: isExact === true, uniqueness: isUnique ? 'server' : 'none' }),
    ...(type === 'reference' && { referenceTypes: ['uri'] }),
    ...(parts && { subAttributes: parts.map(show) }),
  }
}
