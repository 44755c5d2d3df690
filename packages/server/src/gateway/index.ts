/** Hides how calls pass to MCP servers that cannot be changed: the guard as a reverse proxy, streams, credentials, faults. */
export { type Gateway, type GatewayOptions, type Listen, startGateway } from './gateway.ts'
