import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import samlp from 'samlp'
import { makeKey, PERSISTENT } from './saml-craft.ts'

export type SamlPartner = Awaited<ReturnType<typeof openSamlPartner>>

/** Whom the provider speaks of. */
export interface Known {
  nameId: string
  nameIdFormat?: string
  attributes: Record<string, string | string[]>
  sessionIndex?: string
}

/** A SAML identity provider (samlp, by Auth0) on loopback, at which whoever the test says is signed in. */
export async function openSamlPartner() {
  const keys = await makeKey()
  let known: Known | undefined
  let acs = ''
  /** Where people were signed out, as the provider heard it. */
  const loggedOut: string[] = []
  const app = express()
  const server = createServer(app)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const entityId = `${url}/metadata`
  const options = { issuer: entityId, key: keys.key, cert: keys.certificate }
  app.get('/sso', (request, response, next) =>
    samlp.auth({
      ...{ ...options, destination: acs, recipient: acs },
      ...(known?.sessionIndex !== undefined && { sessionIndex: known.sessionIndex }),
      getPostURL: (_audience, _request, _req, callback) => callback(null, acs),
      getUserFromRequest: () => known,
      profileMapper: ({ nameId, nameIdFormat = PERSISTENT, attributes }: Known) => ({
        getClaims: () => attributes,
        getNameIdentifier: () => ({ nameIdentifier: nameId, nameIdentifierFormat: nameIdFormat }),
      }),
    })(request, response, next),
  )

  return {
    url,
    entityId,
    keys,
    ssoUrl: `${url}/sso`,
    logoutUrl: `${url}/slo`,
    loggedOut,
    /** Takes sign-outs of a relying party whose requests this certificate verifies, and answers there. */
    takeLogouts(certificate: string, returnTo: string, relyingParty: string) {
      app.get('/slo', (request, response, next) => {
        const waiting = new Map<string, unknown>()
        let count = 0
        samlp.logout({
          ...options,
          ...{ deflate: true, protocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' },
          sessionParticipants: {
            get: (issuer: string, _indices: unknown, nameId: string, done: (e: null, p: unknown) => void) => {
              loggedOut.push(nameId)
              const isOurs = issuer === relyingParty
              done(null, isOurs ? { serviceProviderLogoutURL: returnTo, cert: certificate } : undefined)
            },
            remove: (_i: string, _s: unknown, _n: string, done: (e: null, p: unknown) => void) =>
              done(null, {}),
            hasElements: () => false,
          },
          clearIdPSession: (done: () => void) => done(),
          store: {
            save(_: unknown, state: unknown, done: (e: null, id: string) => void) {
              waiting.set(String(++count), state)
              done(null, String(count))
            },
            load(_: unknown, id: string, _o: unknown, done: (e: null, state: unknown) => void) {
              done(null, waiting.get(id))
            },
            update(_: unknown, id: string, state: unknown, done: (e: null, id: string) => void) {
              waiting.set(id, state)
              done(null, id)
            },
          },
        })(request, response, next)
      })
    },
    /** Sends whoever signs in back there. */
    sendTo(address: string) {
      acs = address
    },
    know(somebody: Known) {
      known = somebody
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
