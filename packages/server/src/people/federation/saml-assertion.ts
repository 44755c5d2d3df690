import * as z from 'zod'
import { FederationError } from './said.ts'

/** What is held against an assertion. */
export interface Expected {
  issuer: string
  recipient: string
  audience: string
  now: number
  skewMs: number
}

export interface ParsedAssertion {
  id: string
  nameId: { value: string; format: string }
  inResponseTo: string | undefined
  /** Milliseconds since 1970. */
  expiresAt: number
  authenticatedAt: number
  /** How somebody proved who it is, in the provider's words. */
  context: string
  sessionIndex: string | undefined
  attributes: ReadonlyMap<string, readonly string[]>
}

const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified'
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'

const time = z.string().transform((text, ctx) => {
  const at = Date.parse(text)
  if (Number.isNaN(at) || !/Z$|[+-]\d\d:\d\d$/.test(text)) ctx.addIssue('not a time')
  return at
})
/** An element as the library parses it: text in `_`, attributes in `$`, each child a list. */
const one = <T extends z.ZodType>(element: T) => z.tuple([element]).transform(([only]) => only)
const words = z.object({ _: z.string() }).transform(element => element._)
const Value = z.looseObject({ _: z.string().optional() })

const Statement = z.object({
  Attribute: z
    .array(
      z.object({
        $: z.object({ Name: z.string() }),
        AttributeValue: z.array(z.union([Value, z.string().transform(text => ({ _: text }))])).optional(),
      }),
    )
    .default([]),
})

const Parsed = z.object({
  Assertion: z.object({
    $: z.object({ ID: z.string().min(1).max(256), Version: z.literal('2.0'), IssueInstant: time }),
    Issuer: one(words),
    Subject: one(
      z.object({
        NameID: one(
          z.object({
            _: z.string().min(1).max(1024),
            $: z.object({ Format: z.string().optional() }).optional(),
          }),
        ),
        SubjectConfirmation: z.array(
          z.object({
            $: z.object({ Method: z.string() }),
            SubjectConfirmationData: one(
              z.object({
                $: z.object({
                  Recipient: z.string().optional(),
                  InResponseTo: z.string().optional(),
                  NotBefore: time.optional(),
                  NotOnOrAfter: time.optional(),
                }),
              }),
            ).optional(),
          }),
        ),
      }),
    ),
    Conditions: one(
      z.object({
        $: z.object({ NotBefore: time.optional(), NotOnOrAfter: time.optional() }).optional(),
        AudienceRestriction: z.array(z.object({ Audience: z.array(words).min(1) })).min(1),
      }),
    ),
    AuthnStatement: z
      .array(
        z.object({
          $: z.object({
            AuthnInstant: time,
            SessionIndex: z.string().max(1024).optional(),
            SessionNotOnOrAfter: time.optional(),
          }),
          AuthnContext: one(z.object({ AuthnContextClassRef: one(words).optional() })),
        }),
      )
      .min(1),
    // An empty one is parsed as a text.
    AttributeStatement: z
      .array(z.union([Statement, z.string().transform(() => ({ Attribute: [] }))]))
      .optional(),
  }),
})

/**
 * Reads what was signed, and holds it to the web browser profile (SAML profiles section 4.1.4): who says it, to whom,
 * for which address, until when. What the library leaves to its callers is checked here.
 */
export function readAssertion(parsed: unknown, expected: Expected): ParsedAssertion {
  const result = Parsed.safeParse(parsed)
  if (!result.success) throw new FederationError('saml_assertion_incomplete', result.error)
  const assertion = result.data.Assertion
  const { now, skewMs } = expected
  if (assertion.Issuer !== expected.issuer) throw new FederationError('saml_issuer')
  if (assertion.$.IssueInstant > now + skewMs) throw new FederationError('saml_too_early')
  for (const { Audience } of assertion.Conditions.AudienceRestriction)
    if (!Audience.includes(expected.audience)) throw new FederationError('saml_audience')
  const { NotBefore, NotOnOrAfter } = assertion.Conditions.$ ?? {}
  refuseTimes(NotBefore, NotOnOrAfter, expected)
  const bearer = findBearer(assertion.Subject.SubjectConfirmation, expected)
  const [statement] = assertion.AuthnStatement
  if (!statement) throw new FederationError('saml_assertion_incomplete')
  refuseTimes(undefined, statement.$.SessionNotOnOrAfter, expected)
  const nameId = assertion.Subject.NameID
  return {
    id: assertion.$.ID,
    nameId: { value: nameId._, format: nameId.$?.Format ?? UNSPECIFIED },
    ...bearer,
    authenticatedAt: statement.$.AuthnInstant,
    context: statement.AuthnContext.AuthnContextClassRef ?? '',
    sessionIndex: statement.$.SessionIndex,
    attributes: readAttributes(assertion.AttributeStatement ?? []),
  }
}

function refuseTimes(from: number | undefined, until: number | undefined, { now, skewMs }: Expected): void {
  if (from !== undefined && from > now + skewMs) throw new FederationError('saml_too_early')
  if (until !== undefined && until <= now - skewMs) throw new FederationError('saml_too_late')
}

type Confirmation = z.output<typeof Parsed>['Assertion']['Subject']['SubjectConfirmation'][number]

/** Of a bearer it must be said for which address, and until when. */
function findBearer(
  confirmations: readonly Confirmation[],
  expected: Expected,
): Pick<ParsedAssertion, 'inResponseTo' | 'expiresAt'> {
  let reason = 'saml_no_bearer'
  for (const { $, SubjectConfirmationData } of confirmations) {
    const data = SubjectConfirmationData?.$
    if ($.Method !== BEARER || data?.NotOnOrAfter === undefined) continue
    if (data.Recipient !== expected.recipient) reason = 'saml_recipient'
    else if (data.NotOnOrAfter <= expected.now - expected.skewMs) reason = 'saml_too_late'
    else if (data.NotBefore !== undefined && data.NotBefore > expected.now + expected.skewMs)
      reason = 'saml_too_early'
    else return { inResponseTo: data.InResponseTo, expiresAt: data.NotOnOrAfter }
  }
  throw new FederationError(reason)
}

type Statements = NonNullable<z.output<typeof Parsed>['Assertion']['AttributeStatement']>

function readAttributes(statements: Statements): Map<string, string[]> {
  const attributes = new Map<string, string[]>()
  for (const { $, AttributeValue = [] } of statements.flatMap(statement => statement.Attribute)) {
    const values = AttributeValue.flatMap(value => (typeof value._ === 'string' ? [value._.trim()] : []))
    attributes.set($.Name, [...(attributes.get($.Name) ?? []), ...values])
  }
  return attributes
}
