import type { Page } from 'playwright-core'
import type { Language } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'

/** What a reader sees, without names and codes that are the same in every language. */
export const seenTexts = (page: Page) =>
  page.evaluate(() => {
    const { document, NodeFilter } = globalThis as unknown as {
      document: {
        body: object
        createTreeWalker(
          root: object,
          what: number,
        ): {
          nextNode(): { textContent: string; parentElement: { tagName: string } } | null
        }
      }
      NodeFilter: { SHOW_TEXT: number }
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const texts: string[] = []
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
      if (node.parentElement.tagName !== 'CODE') texts.push(node.textContent.trim())
    return texts.filter(text => text !== '')
  })

function englishTexts(value: unknown): string[] {
  if (typeof value === 'string') return /[A-Za-z]{3}/.test(value) ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(englishTexts) : []
}

/** English texts that no Korean page may show. */
export function foreignTexts(language: Language): Set<string> {
  if (language === 'en') return new Set()
  const own = new Set(Object.values(TEXTS.ko).flatMap(englishTexts))
  return new Set(
    Object.values(TEXTS.en)
      .flatMap(englishTexts)
      .filter(text => !own.has(text)),
  )
}
