import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
const Secret = z.string().min(1).max(1024)
const GroupRoles = z.array(s.GroupRole).max(500)

/** Identity providers of organizations, the domains that they speak for, and the directories that provision people. */
export const federation = {
  identityProviders: {
    list: {
      method: 'GET',
      path: '/identity-providers',
      summary: 'List identity providers',
      permission: 'idp:read',
      query: OrganizationPage,
      returns: s.pageOf(s.IdentityProvider),
    },
    get: {
      method: 'GET',
      path: '/identity-providers/:provider',
      summary: 'Show an identity provider',
      permission: 'idp:read',
      query: z.object(inOrganization),
      returns: s.IdentityProvider,
    },
    create: {
      method: 'POST',
      path: '/identity-providers',
      summary: 'Let people of an organization sign in at an identity provider',
      permission: 'idp:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Slug,
        title: s.Label.default(''),
        oidc: s.OidcSettings.optional(),
        saml: s.SamlSettings.optional(),
        /** The client secret at an OpenID provider; without one, PKCE alone protects the code. */
        secret: Secret.optional(),
        provisions: z.boolean().default(false),
        revokesOnLogout: z.boolean().default(true),
        roles: GroupRoles.default([]),
      }),
      returns: s.IdentityProvider,
    },
    update: {
      method: 'PATCH',
      path: '/identity-providers/:provider',
      summary:
        'Change or disable an identity provider; sessions of a disabled one end at once, and so do its roles',
      permission: 'idp:write',
      body: z.object({
        ...inOrganization,
        title: s.Label.optional(),
        status: z.enum(['active', 'disabled']).optional(),
        oidc: s.OidcSettings.optional(),
        saml: s.SamlSettings.optional(),
        secret: Secret.nullable().optional(),
        provisions: z.boolean().optional(),
        revokesOnLogout: z.boolean().optional(),
        roles: GroupRoles.optional(),
      }),
      returns: s.IdentityProvider,
    },
    remove: {
      method: 'DELETE',
      path: '/identity-providers/:provider',
      summary: 'Remove an identity provider with its links, sessions and roles',
      permission: 'idp:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.IdentityProvider,
    },
  },
  identityLinks: {
    list: {
      method: 'GET',
      path: '/identity-links',
      summary: 'List which subject of a provider is which person',
      permission: 'idp:read',
      query: OrganizationPage.extend({ provider: s.Ref.optional(), person: s.Ref.optional() }),
      returns: s.pageOf(s.IdentityLink),
    },
    remove: {
      method: 'DELETE',
      path: '/identity-links/:link',
      summary: 'Take a subject of a provider away from a person, with the roles that came with it',
      permission: 'idp:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.IdentityLink,
    },
  },
  domains: {
    list: {
      method: 'GET',
      path: '/domains',
      summary: 'List domains that organizations claim',
      permission: 'domain:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Domain),
    },
    claim: {
      method: 'POST',
      path: '/domains',
      summary: 'Claim a domain, which counts once it is proved',
      permission: 'domain:write',
      body: z.object({ ...inOrganization, domain: s.DomainName, provider: s.Ref.optional() }),
      returns: s.Domain,
    },
    verify: {
      method: 'POST',
      path: '/domains/:domain/verify',
      summary: 'Look for the TXT record that proves a domain',
      permission: 'domain:write',
      body: z.object(inOrganization),
      returns: s.Domain,
    },
    trust: {
      method: 'POST',
      path: '/domains/:domain/trust',
      summary: 'Take a domain for proved, on the word of whoever runs this installation',
      permission: 'domain:trust',
      body: z.object(inOrganization),
      returns: s.Domain,
    },
    update: {
      method: 'PATCH',
      path: '/domains/:domain',
      summary: 'Say which identity provider speaks for a domain',
      permission: 'domain:write',
      body: z.object({ ...inOrganization, provider: s.Ref.nullable() }),
      returns: s.Domain,
    },
    remove: {
      method: 'DELETE',
      path: '/domains/:domain',
      summary: 'Give a domain up: nobody speaks for its addresses any more',
      permission: 'domain:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Domain,
    },
  },
  scimTokens: {
    list: {
      method: 'GET',
      path: '/scim-tokens',
      summary: 'List the tokens by which directories provision people',
      permission: 'scim:read',
      query: OrganizationPage,
      returns: s.pageOf(s.ScimToken),
    },
    create: {
      method: 'POST',
      path: '/scim-tokens',
      summary: 'Make a token for a directory; it is shown once',
      permission: 'scim:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Title,
        provider: s.Ref.optional(),
        expiresAt: s.Time.nullable().default(null),
      }),
      returns: s.ScimToken.extend({ token: z.string().nullable() }),
    },
    revoke: {
      method: 'DELETE',
      path: '/scim-tokens/:scimToken',
      summary: 'Take a token of a directory back',
      permission: 'scim:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.ScimToken,
    },
  },
} as const satisfies Api
