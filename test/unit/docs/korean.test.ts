import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from '@jest/globals'

/** English page → its Korean one. */
const PAGES = [
  ['README.md', 'docs/ko/README.md'],
  ['docs/runbook.md', 'docs/ko/runbook.md'],
] as const

interface Section {
  level: number
  /** What both languages say alike: code, in any order, and blocks, word by word. */
  code: string[]
  blocks: string[]
  links: string[]
  bullets: number
  tableRows: number
}

function sectionsOf(path: string): Section[] {
  const text = readFileSync(path, 'utf8')
  return text.split(/^(?=#+ )/m).map(section => {
    const blocks = section.match(/^```[\s\S]*?^```/gm) ?? []
    const rest = blocks.reduce((left, block) => left.replace(block, ''), section)
    const links = [...rest.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!)
    return {
      level: /^#*/.exec(section)![0].length,
      code: [...rest.matchAll(/`([^`]+)`/g)].map(([, code]) => code!).sort(),
      blocks,
      links: links.map(link => canonical(path, link)).sort(),
      bullets: rest.match(/^ *(?:-|\d+\.) /gm)?.length ?? 0,
      tableRows: rest.match(/^\|/gm)?.length ?? 0,
    }
  })
}

/** Where a link leads, from the root; of the Korean pages the English ones are meant. */
function canonical(page: string, link: string): string {
  if (/^[a-z]+:/.test(link)) return link
  const [path = '', anchor] = link.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  const english = PAGES.find(([, korean]) => korean === file)?.[0] ?? file
  return relative('.', english) + (anchor === undefined ? '' : `#${anchor}`)
}

describe.each(PAGES)('%s in Korean', (english, korean) => {
  const [one, other] = [sectionsOf(english), sectionsOf(korean)]

  test('has the same sections, with the same code, commands, links, lists and tables', () => {
    expect(one.length).toBeGreaterThan(3)
    // Each names the other: that link is left out.
    const named: string[] = [english, korean]
    const clean = (sections: Section[]) =>
      sections.map(section => ({ ...section, links: section.links.filter(link => !named.includes(link)) }))
    expect(clean(other)).toEqual(clean(one))
  })

  test('each leads to the other', () => {
    expect(readFileSync(english, 'utf8')).toContain(`(${relative(dirname(english), korean)})`)
    expect(readFileSync(korean, 'utf8')).toContain(`(${relative(dirname(korean), english)})`)
    expect(existsSync(korean)).toBe(true)
  })

  test('is Korean, every paragraph of it', () => {
    const paragraphs = readFileSync(korean, 'utf8')
      .replace(/^```[\s\S]*?^```/gm, '')
      .split(/\n\n+/)
      .filter(paragraph => !/^#|^\|[-|]+$/.test(paragraph) && paragraph.replace(/`[^`]*`|\W/g, '').length > 20)
    for (const paragraph of paragraphs) expect(paragraph).toMatch(/[가-힣]/)
  })
})
