import { LRUCache } from 'lru-cache'

interface Piece {
  madeOf: string
  markup: string
}

/** The cards of a long list and the parts of some hundred pages, in every language. */
const pieces = new LRUCache<string, Piece>({ max: 2000 })

/**
 * A piece of a page that is rendered again only when what it is made of has changed. `madeOf`: all of that but its name,
 * as text; nothing in it may depend on when it is looked at.
 */
export function keptMarkup(name: string, madeOf: string, render: () => string): string {
  const known = pieces.get(name)
  if (known?.madeOf === madeOf) return known.markup
  const markup = render()
  pieces.set(name, { madeOf, markup })
  return markup
}
