import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { BOTTLENECK_CODES } from '#admin/snapshot/cause.ts'
import { FORMATS, LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'

/** Every text by its place; one with values in it as it reads with some. */
function leaves(value: unknown, path: string): [string, string][] {
  if (typeof value === 'string') return [[path, value]]
  if (typeof value === 'function') return [[path, String((value as (...values: number[]) => string)(3, 3, 3, 3))]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) => leaves(part, path === '' ? key : `${path}.${key}`))
}

const catalogue = (language: keyof typeof TEXTS) => {
  const { format: _, language: _language, ...texts } = TEXTS[language]
  return new Map(leaves(texts, ''))
}
/** English is what problems are thrown in: it needs no words for their codes. */
const isThrown = (path: string) => path.startsWith('problem.byCode.')

describe('the catalogue', () => {
  const english = catalogue('en')

  test.each(LANGUAGES)('%s lacks no text that English has, and has none that nobody asks for', language => {
    const paths = [...catalogue(language).keys()].filter(path => !isThrown(path))
    expect(paths.sort()).toEqual([...english.keys()].sort())
  })

  test('no Korean text is empty, or English', () => {
    const names = new Set(['promotion.endedWith'])
    const left = [...catalogue('ko')].filter(([path, text]) => !names.has(path) && !/[가-힣]/.test(text))
    expect(left.map(([path]) => path)).toEqual([])
  })

  test('no English text is empty, or Korean', () => {
    expect([...english].filter(([, text]) => text.trim() === '' || /[가-힣]/.test(text))).toEqual([])
  })

  test('every bottleneck that asks for a person says what to do', () => {
    const silent = new Set(['completed', 'waiting-for-gifts', 'only-retries', 'starting', 'none'])
    for (const language of LANGUAGES)
      for (const code of BOTTLENECK_CODES)
        expect([code, code in TEXTS[language].bottleneck.remedies]).toEqual([code, !silent.has(code)])
  })

  test('no page has a text of its own: what is read comes from the catalogue', () => {
    const folder = 'src/admin/pages'
    const own = readdirSync(folder).flatMap(file => {
      const source = readFileSync(`${folder}/${file}`, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      const templates = source.match(/html`[\s\S]*?`(?=[\s,)};\]]|$)/g) ?? []
      const words = templates.flatMap(
        template =>
          template.match(/(?:(?<!=)>|\s(?:aria-label|title|placeholder|alt)=")\s*[A-Za-z][A-Za-z ]{2,}/g) ?? [],
      )
      return words.map(text => `${file}: ${text}`)
    })
    // The product's name, commands and paths are the same in every language.
    expect(own.filter(text => !/>\s*(promostream|npm run promostream|docs)/.test(text))).toEqual([])
  })
})

describe('figures', () => {
  test.each([
    [0.2, '1 sec', '1초'],
    [59, '59 sec', '59초'],
    [61, '1 min 1 sec', '1분 1초'],
    [1800, '30 min', '30분'],
    [7200, '2 hr 0 min', '2시간 0분'],
    [864_000, '10 days', '10일'],
  ])('%s s read %s and %s', (seconds, english, korean) => {
    expect([FORMATS.en.duration(seconds), FORMATS.ko.duration(seconds)]).toEqual([english, korean])
  })

  test('64-bit numbers are exact; all but one is not 100 %', () => {
    expect(FORMATS.en.number('9223372036854775807')).toBe('9,223,372,036,854,775,807')
    expect(FORMATS.ko.number('9223372036854775807')).toBe('9,223,372,036,854,775,807')
    expect([FORMATS.en.percent(0.99999), FORMATS.en.percent(1)]).toEqual(['99.9%', '100%'])
  })

  test('times are in UTC, and say so', () => {
    expect(FORMATS.en.utc('2026-11-25T23:10:05.000Z')).toBe('Nov 25, 2026, 11:10:05 PM UTC')
    expect(FORMATS.ko.utc('2026-11-25T23:10:05.000Z')).toBe('2026. 11. 25. 오후 11:10:05 UTC')
  })
})
