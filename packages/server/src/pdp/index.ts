/** Hides how the questions of AuthZEN (OpenID Authorization API 1.0) become questions to the engine, one PDP an organization. */
export { createPdp, type Pdp } from './routes.ts'
