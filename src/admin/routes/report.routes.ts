import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { promotionParams } from '#admin/api-schemas.ts'
import { contextOf } from '#admin/pages/layout.ts'
import { reportPage } from '#admin/pages/report.page.ts'
import { refusal } from '#admin/problem.ts'
import { reportCsv } from '#admin/report/closing-report.ts'
import type { ReportJobs } from '#admin/report/report-jobs.ts'
import { sendPage } from '#admin/send-page.ts'
import type { KeptReads } from '#admin/snapshot/kept-reads.ts'
import { finderOf, type Sampler } from '#admin/snapshot/sampler.ts'

const tags = ['promotions']
const params = promotionParams

const jobSchema = z.object({
  state: z.enum(['running', 'done', 'failed']),
  startedAt: z.string(),
  step: z.enum(['gifts', 'audit']),
  progress: z.number().nullable(),
  error: z.string().nullable(),
  report: z.unknown(),
})

export interface ReportRoutesDeps {
  sampler: Pick<Sampler, 'find'>
  reports: ReportJobs
  kept: KeptReads
}

/** A promotion's closing report: made in the background, read as a page, JSON or CSV. */
export function reportRoutes({ sampler, reports, kept }: ReportRoutesDeps): FastifyPluginAsync {
  const found = finderOf(sampler)
  const routes: FastifyPluginAsyncZod = async app => {
    app.get('/promotions/:id/report', { schema: { hide: true, params } }, async (request, reply) => {
      const reads = kept(request)
      const { id, name } = await reads.read('database', () => found(request.params.id))
      const context = contextOf(request, reply, reads.stale)
      const title = name === '' ? context.texts.promotion.promotion(id) : name
      const page = reportPage({ id, title, job: reports.find(id) }, context)
      return sendPage(reply, page)
    })
    app.post(
      '/api/promotions/:id/report',
      {
        config: { change: 'promotion.report' },
        schema: {
          tags,
          summary: 'make its closing report, in the background: counts, amounts, what was not taken, the audit',
          params,
          response: { 202: jobSchema },
        },
      },
      async (request, reply) => reply.code(202).send(await reports.start(request.params.id)),
    )
    app.get(
      '/api/promotions/:id/report',
      {
        schema: { tags, summary: 'its closing report, or how far it is', params, response: { 200: jobSchema } },
      },
      async request => {
        const { id } = await found(request.params.id)
        return reports.find(id) ?? noReport(id)
      },
    )
    app.get(
      '/api/promotions/:id/report.csv',
      { schema: { tags, summary: 'its closing report as CSV', params } },
      async (request, reply) => {
        const { id } = await found(request.params.id)
        const csv = reportCsv(reports.find(id)?.report ?? noReport(id))
        const type = reply.type('text/csv; charset=utf-8').serializer(String)
        return type.header('content-disposition', `attachment; filename="promotion-${id}.csv"`).send(csv)
      },
    )
  }
  return routes as FastifyPluginAsync
}

function noReport(id: string): never {
  throw refusal(
    'REPORT_NOT_FOUND',
    `promotion ${id} has no closing report yet: POST /api/promotions/${id}/report makes one`,
  )
}
