import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Identity } from '#admin/security/users.ts'

export interface PageContext {
  identity: Identity | undefined
  /** Proves that a write comes from our own page. */
  csrfToken?: string
  path: string
}

export function contextOf(request: FastifyRequest, reply: FastifyReply): PageContext {
  const { identity, signedInBy, url } = request
  const path = url.split('?')[0] ?? '/'
  return { identity, path, ...(signedInBy === 'session' ? { csrfToken: reply.generateCsrf() } : {}) }
}

export interface PageParts {
  title: string
  /** Markup, escaped already. */
  main: string
  context: PageContext
  scripts?: readonly string[]
  styles?: readonly string[]
}

/**
 * Every page's frame. Values are escaped by the `html` tag; `!` before a substitution means markup of ours that is
 * escaped already, and is never put before a value.
 */
export function layout({ title, main, context, scripts = [], styles = [] }: PageParts): string {
  const { identity, csrfToken } = context
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="robots" content="noindex" />
    <meta name="csrf-token" content="${csrfToken ?? ''}" />
    <title>${title} · promostream</title>
    <link rel="icon" href="/login/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/login/style.css" />
    !${styles.map(href => html`<link rel="stylesheet" href="${href}" />`)}
    !${scripts.map(source => html`<script type="module" src="${source}"></script>`)}
  </head>
  <body>
    <a class="skip" href="#main">Skip to content</a>
    <header class="top">
      <a class="brand" href="/">promostream</a>
      !${identity === undefined ? '' : navigation(identity, context)}
    </header>
    <main id="main" tabindex="-1">!${main}</main>
  </body>
</html>`
}

const LINKS = [
  ['/', 'Progress'],
  ['/board', 'Board'],
  ['/audit', 'Activity log'],
  ['/api/docs', 'API'],
] as const

function navigation({ name, role }: Identity, { csrfToken, path }: PageContext): string {
  const links = LINKS.map(
    ([href, text]) => html`<a href="${href}" !${href === path ? 'aria-current="page"' : ''}>${text}</a>`,
  )
  return html`<nav aria-label="Main">!${links}</nav>
    <form class="who" method="post" action="/logout">
      <span>${name} <small>${role}</small></span>
      <input type="hidden" name="_csrf" value="${csrfToken ?? ''}" />
      <button type="submit" class="plain">Log out</button>
    </form>`
}
