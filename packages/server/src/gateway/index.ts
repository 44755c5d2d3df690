/**
 * Hides how calls pass to MCP servers that cannot be changed (the guard as a reverse proxy or before a process, streams,
 * credentials, faults), and how clients that can hold no key call as an agent.
 */

export { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
export { listenOnLoopback } from './loopback.ts'
export { serveParent } from './parent.ts'
export { createStdioServer } from './stdio-server.ts'
