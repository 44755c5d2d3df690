import * as z from 'zod'
import type { Api } from './route.ts'

/** Renders the contract as an OpenAPI 3.1 document. */
export function toOpenApi(api: Api, info: { title: string; version: string }): object {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [tag, operations] of Object.entries(api)) {
    for (const [name, route] of Object.entries(operations)) {
      const path = `/api${route.path.replace(/:(\w+)/g, '{$1}')}`
      const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, key]) => ({
        in: 'path',
        name: key,
        required: true,
        schema: { type: 'string' },
      }))
      const inQuery = Object.entries(route.query?.shape ?? {}).map(([key, schema]) => ({
        in: 'query',
        name: key,
        required: false,
        schema: z.toJSONSchema(schema as z.ZodType, { io: 'input' }),
      }))
      paths[path] ??= {}
      paths[path][route.method.toLowerCase()] = {
        operationId: `${tag}.${name}`,
        tags: [tag],
        summary: route.summary,
        'x-permission': route.permission,
        parameters: [...inPath, ...inQuery],
        ...(route.body && {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: z.toJSONSchema(route.body, { io: 'input' }) } },
          },
        }),
        responses: {
          200: {
            description: 'OK',
            content: route.streams
              ? { 'text/plain': { schema: { type: 'string' } } }
              : { 'application/json': { schema: z.toJSONSchema(route.returns) } },
          },
        },
      }
    }
  }
  return { openapi: '3.1.0', info, paths }
}
