/** RFC 8693. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** RFC 7523. */
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const ID_JAG_PROFILE = 'urn:ietf:params:oauth:grant-profile:id-jag'
/** RFC 8628, and CIBA. */
export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
export const CIBA = 'urn:openid:params:grant-type:ciba'
/** By which oidc-provider knows a request of `/delegations`, once it has found out who asks. */
export const DELEGATE = 'urn:valetkey:params:oauth:grant-type:delegate'
/** A handle by which a delegation is taken up, once; and the id of one that is. */
export const DELEGATION_HANDLE = 'urn:valetkey:params:oauth:token-type:delegation-handle'
export const DELEGATION = 'urn:valetkey:params:oauth:token-type:delegation'
