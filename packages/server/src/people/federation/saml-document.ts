import { X509Certificate } from 'node:crypto'
import { DOMParser } from '@xmldom/xmldom'
import { FederationError } from './said.ts'

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol'
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion'
const SIGNATURE = 'http://www.w3.org/2000/09/xmldsig#'
const MOST_BYTES = 256 * 1024
const MOST_ELEMENTS = 10_000
const DEEPEST = 50

/** SHA-1 can be forged. */
const STRONG: Record<string, readonly string[]> = {
  SignatureMethod: [
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
    'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
  ],
  DigestMethod: ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512'],
}

/** What the envelope of a response says. It may be unsigned: it can only make us refuse. */
export interface Envelope {
  issuer: string | undefined
  destination: string | undefined
  inResponseTo: string | undefined
}

/**
 * Reads a response as text, and refuses what an honest provider never sends, before anything is verified in it:
 * comments, entities and the like (a comment inside a name has cut it short elsewhere), anything but one plain response
 * with one assertion in it, weak signatures, and documents made to be slow.
 */
export function readResponse(base64: string): { xml: string; envelope: Envelope } {
  const xml = decode(base64)
  const root = parsePlain(xml)
  if (root.localName !== 'Response' || root.namespaceURI !== PROTOCOL) throw refuse('saml_no_response')
  const elements = measure(root)
  const named = (name: string, space: string) =>
    elements.filter(one => one.localName === name && one.namespaceURI === space)
  if (elements.some(one => one.localName === 'EncryptedAssertion')) throw refuse('saml_encrypted')
  refuseStatus(named('StatusCode', PROTOCOL)[0]?.getAttribute('Value') ?? '')
  // Wherever a second one may be: whatever it is for, one of the two is not what was signed.
  if (elements.filter(one => one.localName === 'Assertion').length !== 1) throw refuse('saml_assertions')
  const [assertion] = named('Assertion', ASSERTION)
  if (assertion?.parentNode !== root) throw refuse('saml_assertions')
  for (const [method, strong] of Object.entries(STRONG))
    for (const one of named(method, SIGNATURE))
      if (!strong.includes(one.getAttribute('Algorithm') ?? '')) throw refuse('saml_weak_signature')
  const issuers = [...named('Issuer', ASSERTION)].filter(one => one.parentNode === root)
  return {
    xml,
    envelope: {
      issuer: issuers[0]?.textContent?.trim(),
      destination: root.getAttribute('Destination') || undefined,
      inResponseTo: root.getAttribute('InResponseTo') || undefined,
    },
  }
}

/** What is older was not sent just now. */
const MOST_AGE_MS = 10 * 60_000

/** The same care for a sign-out that comes in an address: whole, for us, and of now. Its signature is verified elsewhere. */
export function refuseStrangeLogout(
  xml: string,
  { destination, now, skewMs }: { destination: string; now: number; skewMs: number },
): void {
  const root = parsePlain(xml)
  measure(root)
  if (root.localName !== 'LogoutRequest' || root.namespaceURI !== PROTOCOL) throw refuse('saml_logout_query')
  // Has to be there where a message is signed (SAML bindings section 3.4.5.2).
  if (root.getAttribute('Destination') !== destination) throw refuse('saml_destination')
  const issuedAt = Date.parse(root.getAttribute('IssueInstant') ?? '')
  if (!(issuedAt <= now + skewMs)) throw refuse('saml_too_early')
  if (issuedAt <= now - MOST_AGE_MS) throw refuse('saml_too_late')
}

function decode(base64: string): string {
  const text = base64.replace(/\s+/g, '')
  if (text.length > (MOST_BYTES * 4) / 3 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    throw refuse('saml_encoding')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'))
  } catch (cause) {
    throw new FederationError('saml_encoding', cause)
  }
}

function parsePlain(xml: string): Element {
  const body = xml.trim().replace(/^<\?xml\s[^?<>]*\?>/, '')
  // `<` is never a character of text: these begin comments, document types, entities and instructions.
  if (/<[!?]/.test(body)) throw refuse('saml_markup')
  if (Buffer.byteLength(body) > MOST_BYTES) throw refuse('saml_too_large')
  const stop = () => {
    throw refuse('saml_malformed')
  }
  const errorHandler = { warning: stop, error: stop, fatalError: stop }
  const document = new DOMParser({ errorHandler }).parseFromString(body, 'text/xml')
  if (!document?.documentElement) throw refuse('saml_malformed')
  return document.documentElement
}

/** All elements, in the order of the document; without recursion, since depth is what is to be found out. */
function measure(root: Element): Element[] {
  const elements: Element[] = []
  const waiting: [Element, number][] = [[root, 1]]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [element, depth] = next
    elements.push(element)
    if (depth > DEEPEST || elements.length > MOST_ELEMENTS) throw refuse('saml_too_deep')
    for (let child = element.lastChild; child; child = child.previousSibling)
      if (child.nodeType === 1) waiting.push([child as Element, depth + 1])
  }
  return elements
}

function refuseStatus(status: string): void {
  if (!status.endsWith(':status:Success')) throw refuse('saml_status')
}

function refuse(reason: string): FederationError {
  return new FederationError(reason)
}

/** The certificates of a provider that are good today; with none, nobody can be believed. */
export function trustedToday(certificates: readonly string[], now: number): string[] {
  const good = certificates.filter(pem => {
    const { validFromDate, validToDate } = new X509Certificate(pem)
    return validFromDate.getTime() <= now && now < validToDate.getTime()
  })
  if (good.length === 0) throw refuse('saml_certificates_ended')
  return good
}
