import { readFile } from 'node:fs/promises'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'

const WAY_BACK = new URL('../assets/docs.js', import.meta.url)
const ICON = new URL('../assets/icon.svg', import.meta.url)

/** OpenAPI from the routes' own schemas, and a page to read it. Registered before the routes that it describes. */
export async function registerDocs(app: FastifyInstance, basePath: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'promostream',
        version: '0.1.0',
        description:
          'Where promotions stand, and everything an operator can do with them. Ids are strings of digits. Errors are ' +
          'problems (RFC 9457). Programs use HTTP Basic with JSON bodies; pages a session and x-csrf-token.',
      },
      servers: [{ url: basePath || '/' }],
      components: {
        securitySchemes: {
          basic: { type: 'http', scheme: 'basic' },
          session: { type: 'apiKey', in: 'cookie', name: 'promostream-session' },
        },
      },
      security: [{ basic: [] }, { session: [] }],
    },
    transform: ({ schema, url, ...rest }) =>
      url.startsWith('/api/') && schema !== undefined
        ? jsonSchemaTransform({ schema, url, ...rest })
        : { schema: { hide: true }, url },
  })
  await app.register(swaggerUi, {
    routePrefix: '/api/docs',
    logo: { type: 'image/svg+xml', content: await readFile(ICON) },
    theme: { js: [{ filename: 'docs.js', content: await readFile(WAY_BACK, 'utf8') }] },
    uiConfig: { docExpansion: 'list', deepLinking: false, validatorUrl: null },
  })
}
