import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { auditSchema, pageQuery } from '#admin/api-schemas.ts'
import type { ActivityLog } from '#database/activity-log.ts'

/** `/api/audit`: who changed what, and when; newest first. */
export function auditRoutes(activityLog: ActivityLog): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    const response = { 200: z.object({ changes: z.array(auditSchema), nextCursor: z.string().nullable() }) }
    app.get(
      '/api/audit',
      { schema: { tags: ['audit'], summary: 'who changed what, and when', querystring: pageQuery, response } },
      async ({ query: { cursor, limit } }) => {
        const changes = await activityLog.list({ beforeId: cursor, limit })
        return { changes, nextCursor: changes.length === limit ? (changes.at(-1)?.id ?? null) : null }
      },
    )
  }
  return routes as FastifyPluginAsync
}
