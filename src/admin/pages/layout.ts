import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Identity } from '#admin/security/users.ts'
import { oldestOfEach, type Stale } from '#admin/snapshot/stale.ts'
import { LANGUAGES } from '#admin/texts/format.ts'
import { languageOf } from '#admin/texts/language.ts'
import { LANGUAGE_NAMES, TEXTS, type Texts } from '#admin/texts/texts.ts'
import { timeTag } from './time-tag.ts'

export interface PageContext {
  identity: Identity | undefined
  /** Proves that a write comes from our own page. */
  csrfToken?: string
  path: string
  /** Of the reader's language. */
  texts: Texts
  /** What stands on the page from before, because its server does not answer now. */
  stale: readonly Stale[]
}

export function contextOf(request: FastifyRequest, reply: FastifyReply, stale: readonly Stale[] = []): PageContext {
  const { identity, signedInBy, url } = request
  const token = signedInBy === 'session' ? { csrfToken: reply.generateCsrf() } : {}
  return { identity, path: url, texts: TEXTS[languageOf(request)], stale: oldestOfEach(stale), ...token }
}

export interface PageParts {
  title: string
  /** Markup, escaped already. */
  main: string
  context: PageContext
  scripts?: readonly string[]
  styles?: readonly string[]
  /** The page is asked for again after so long. */
  refreshSeconds?: number
}

/**
 * Every page's frame. Values are escaped by the `html` tag; `!` before a substitution means markup of ours that is
 * escaped already, and is never put before a value.
 */
export function layout({ title, main, context, scripts = [], styles = [], refreshSeconds }: PageParts): string {
  const { identity, csrfToken, texts } = context
  const all = identity === undefined ? [] : ['/assets/pages.js', '/assets/actions.js', ...scripts]
  return html`<!doctype html>
<html lang="${texts.language}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="robots" content="noindex" />
    <meta name="csrf-token" content="${csrfToken ?? ''}" />
    <meta name="texts" content="!${scriptTexts(texts)}" />
    !${refreshSeconds === undefined ? '' : html`<meta http-equiv="refresh" content="${refreshSeconds}" />`}
    <title>${title} · promostream</title>
    <link rel="icon" href="/login/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/login/style.css" />
    !${styles.map(href => html`<link rel="stylesheet" href="${href}" />`)}
    !${all.map(source => html`<script type="module" src="${source}"></script>`)}
  </head>
  <body>
    <a class="skip" href="#main">${texts.frame.skip}</a>
    <header class="top">
      <a class="brand" href="/">promostream</a>
      !${identity === undefined ? '' : navigation(context)}
      <div class="who">!${languageSwitch(context)} !${identity === undefined ? '' : whoAmI(identity, context)}</div>
    </header>
    <main id="main" tabindex="-1">!${staleNotes(context)} !${main}</main>
  </body>
</html>`
}

/** Which servers do not answer, and as of when their part of the page is; the script keeps it live where the page is. */
function staleNotes({ stale, texts }: PageContext): string {
  const notes = stale.map(
    ({ server, asOf }) =>
      html`<p class="notice" data-level="bad">${texts.frame.stale[server]} !${timeTag(asOf, texts)}</p>`,
  )
  return html`<div role="status" data-stale !${notes.length === 0 ? 'hidden' : ''}>!${notes}</div>`
}

const scriptTextsOf = new Map<Texts, string>()

/** What the page's own script says, as a value of an attribute; the same for every page of a language. */
function scriptTexts(texts: Texts): string {
  const { frame, promotion, bottleneck } = texts
  const known = scriptTextsOf.get(texts)
  if (known !== undefined) return known
  const { plotUnits: units, plotEmpty: empty, plotNow: now, plotHighest: highest, slots } = promotion
  const said = {
    ...{ done: frame.done, slots, create: promotion.newPromotion },
    ...{ since: bottleneck.since, runbook: bottleneck.runbook },
    plot: { units, empty, now, highest },
  }
  const markup = html`${JSON.stringify(said)}`
  scriptTextsOf.set(texts, markup)
  return markup
}

function navigation({ path, texts: { frame } }: PageContext): string {
  const here = path.split('?')[0]
  const links = [
    ['/', frame.progress],
    ['/board', frame.board],
    ['/audit', frame.activity],
    ['/api/docs', frame.api],
  ].map(([href, text]) => html`<a href="${href}" !${href === here ? 'aria-current="page"' : ''}>${text}</a>`)
  return html`<nav aria-label="${frame.mainNavigation}">!${links}</nav>`
}

function languageSwitch({ path, texts }: PageContext): string {
  const links = LANGUAGES.map(language => {
    const name = asReferences(LANGUAGE_NAMES[language])
    if (language === texts.language) return html`<span lang="${language}" aria-current="true">!${name}</span>`
    const query = new URLSearchParams({ to: language, next: path })
    return html`<a href="/login/language?${query.toString()}" lang="${language}" hreflang="${language}">!${name}</a>`
  })
  return html`<nav class="languages" aria-label="${texts.frame.language}">!${links}</nav>`
}

/** A text of ours as markup in ASCII: one letter beyond Latin-1 doubles what it costs to send the whole page. */
function asReferences(text: string): string {
  return text.replace(/[^ -~]/gu, letter => `&#${letter.codePointAt(0)};`)
}

function whoAmI({ name, role }: Identity, { csrfToken, texts: { frame } }: PageContext): string {
  return html`<form method="post" action="/logout">
      <span>${name} <small>${frame.roles[role]}</small></span>
      <input type="hidden" name="_csrf" value="${csrfToken ?? ''}" />
      <button type="submit" class="plain">${frame.logOut}</button>
    </form>`
}
