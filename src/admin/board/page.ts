import type { Texts } from '#admin/texts/texts.ts'

/** The page as our policy allows it: no outside font, no inline style. Its script is not touched. */
export function withoutInline(page: string): string {
  return page
    .replace(/<link[^>]+https?:\/\/[^>]*>/g, '')
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/ style="[^"]*"/g, '')
}

/** The board's own names of our languages. */
const BOARD_LANGUAGES = { en: 'en-US', ko: 'ko-KR' } as const

const CONFIG = /(<script id="__UI_CONFIG__"[^>]*>)([\s\S]*?)(<\/script>)/

/** In the reader's language, with the names of promotions and a way back (`/assets/board.js`). */
export function inLanguage(page: string, { language, frame }: Texts, basePath: string): string {
  const own = `<script type="module" src="${basePath}/assets/board.js" data-back="${frame.promotions}"
    data-locale="${BOARD_LANGUAGES[language]}"></script>`
  return page
    .replace('<html lang="en"', `<html lang="${language}"`)
    .replace(CONFIG, (_all, before: string, config: string, after: string) => {
      const { miscLinks = [], ...rest } = JSON.parse(config) as { miscLinks?: { text: string; url: string }[] }
      const links = miscLinks.map(link => ({ ...link, text: frame.progress }))
      const changed = { ...rest, miscLinks: links, locale: { lng: BOARD_LANGUAGES[language] } }
      // As the board writes it: nothing in it may end the element.
      return `${before}${JSON.stringify(changed).replaceAll('<', '\\u003c')}${after}`
    })
    .replace('</body>', `${own}</body>`)
}
