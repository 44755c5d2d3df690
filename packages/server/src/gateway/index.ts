/**
 * Hides how calls pass to MCP servers that cannot be changed (the guard as a reverse proxy or before a process, streams,
 * credentials, faults), and how clients that can hold no key call as an agent.
 */

export { type Gateway, type GatewayOptions, type Listen, startGateway } from './gateway.ts'
export { type LoopbackFront, listenOnLoopback } from './loopback.ts'
export { type Parent, serveParent } from './parent.ts'
export { createStdioServer, type StdioServer } from './stdio-server.ts'
