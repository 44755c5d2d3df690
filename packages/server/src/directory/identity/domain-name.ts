import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { AppError } from '@valetkey/sdk/core'
import { quote } from '../reference.ts'

/** A domain has one spelling here: as DNS has it, in small letters, without the dot at the end. */
export function readDomain(text: string): string {
  const domain = asciiOf(text.trim().replace(/\.$/, ''))
  if (domain === undefined)
    throw new AppError('request.invalid', `${quote(text)} is not a domain. Write it as "example.com".`, {
      path: 'domain',
    })
  return domain
}

/** The domain of an email address; undefined for what is none. */
export function domainOf(email: string): string | undefined {
  const [, domain] = /^[^\s@"<>,;:\\()[\]]+@([^\s@]+)$/.exec(email.trim()) ?? []
  return domain === undefined ? undefined : asciiOf(domain)
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/

function asciiOf(text: string): string | undefined {
  const domain = /[/:?#@\s%\\]/.test(text) ? '' : domainToASCII(text).toLowerCase()
  const labels = domain.split('.')
  if (domain.length > 253 || labels.length < 2 || isIP(domain) !== 0) return undefined
  return labels.every(label => LABEL.test(label)) ? domain : undefined
}
