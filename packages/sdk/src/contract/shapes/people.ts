import * as z from 'zod'
import { AuthorizationDetail } from '../../core/index.ts'
import { Time } from './words.ts'

export const Person = z.object({
  id: z.string(),
  organization: z.string(),
  /** Empty where the organization calls the person otherwise. */
  email: z.string(),
  externalId: z.string(),
  name: z.string(),
  status: z.enum(['active', 'suspended', 'retired']),
  /** Who keeps the person up to date: null for administrators, `scim`, or the id of an identity provider. */
  managedBy: z.string().nullable(),
  createdAt: Time,
})
/** Something beside a password by which a person signs in. */
export const Factor = z.object({
  id: z.string(),
  person: z.string(),
  kind: z.enum(['totp', 'passkey']),
  label: z.string(),
  createdAt: Time,
  lastUsedAt: Time.nullable(),
})
export const Group = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  title: z.string(),
  managedBy: z.string().nullable(),
  createdAt: Time,
})
export const Member = z.object({
  group: z.string(),
  principal: z.string(),
  kind: z.enum(['user', 'agent', 'service', 'group']),
  name: z.string(),
})
export const Service = Group.omit({ managedBy: true }).extend({
  status: z.enum(['active', 'suspended', 'retired']),
})
export const Grant = z.object({
  id: z.string(),
  organization: z.string(),
  agent: z.string(),
  agentName: z.string(),
  person: z.string(),
  personEmail: z.string(),
  scopes: z.array(z.string()),
  resources: z.array(z.string()),
  /** What it was given for in detail (RFC 9396): only these tools, only these resources; null where nothing was said. */
  details: z.array(AuthorizationDetail).nullable(),
  /** The one server that it is for, by id and name; null is every one. */
  server: z.string().nullable(),
  serverName: z.string().nullable(),
  /** What it holds for a shorter time than the rest: until when, by permission. */
  elevated: z.record(z.string(), Time),
  source: z.enum(['administrator', 'consent']),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  /** When a token was last issued under it. */
  lastUsedAt: Time.nullable(),
  status: z.enum(['live', 'expired', 'revoked']),
})
/** What an agent has asked a person who is somewhere else, and waits for. */
export const WaitingRequest = z.object({
  id: z.string(),
  organization: z.string(),
  agent: z.string(),
  agentName: z.string(),
  /** `device`: of whoever types its code (RFC 8628). `backchannel`: of the person whom the agent named (CIBA). */
  kind: z.enum(['device', 'backchannel']),
  /** Null where whoever types the code may answer. */
  person: z.string().nullable(),
  personEmail: z.string().nullable(),
  /** The server that it is for, by address. */
  resource: z.string(),
  /** As it asked for them; what is given is decided by whoever answers. */
  scopes: z.array(z.string()),
  /** What it wants to be read beside it; its own words. */
  message: z.string(),
  /** The address that it waits at; null where it has named a person. */
  askedFrom: z.string().nullable(),
  createdAt: Time,
  expiresAt: Time,
})
