import type { FastifyReply } from 'fastify'

/** HTML as it is: nothing of it is for a serializer. */
export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').serializer(String).send(page)
}
