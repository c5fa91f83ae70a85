import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLocalName } from '#admin/security/origin.ts'
import { LANGUAGES, type Language } from './format.ts'

/** What was chosen by the switch; it holds no secret. */
const COOKIE = 'promostream-language'
const YEAR_SECONDS = 365 * 24 * 3600

/** The reader's language: the one that was chosen, else what the browser prefers. */
export function languageOf({ cookies, headers }: Pick<FastifyRequest, 'cookies' | 'headers'>): Language {
  return LANGUAGES.find(language => language === cookies[COOKIE]) ?? preferredLanguage(headers['accept-language'])
}

/** Of `Accept-Language` the most wanted one that we have; a region does not matter. */
export function preferredLanguage(header = ''): Language {
  const wanted = header
    .slice(0, 1000)
    .split(',')
    .map(part => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
      const quality = parameters.map(text => /^\s*q=([\d.]+)\s*$/.exec(text)?.[1]).find(text => text !== undefined)
      return { language: tag.split('-')[0], quality: Number(quality ?? 1) }
    })
    .filter(({ quality }) => quality > 0)
    .sort((one, other) => other.quality - one.quality)
  for (const { language } of wanted) {
    const known = LANGUAGES.find(own => own === language)
    if (known !== undefined) return known
  }
  return LANGUAGES[0]
}

/** Remembers a choice in this browser for a year. */
export function chooseLanguage(
  request: FastifyRequest,
  reply: FastifyReply,
  { language, path }: { language: Language; path: string },
): void {
  reply.setCookie(COOKIE, language, {
    path,
    httpOnly: true,
    sameSite: 'lax',
    secure: !isLocalName(request.hostname),
    maxAge: YEAR_SECONDS,
  })
}
