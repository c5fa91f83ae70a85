import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Problem } from '#admin/problem.ts'
import { contextOf, layout } from './layout.ts'

export function errorPage({ status, title, detail }: Problem, request: FastifyRequest, reply: FastifyReply): string {
  const context = contextOf(request, reply)
  const main = html`<div class="card">
    <h1>${status} ${title}</h1>
    <p>${detail}</p>
    <p><a href="/">${context.texts.frame.allPromotions}</a></p>
  </div>`
  return layout({ title, main, context })
}
