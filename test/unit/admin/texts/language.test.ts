import { expect, test } from '@jest/globals'
import { languageOf, preferredLanguage } from '#admin/texts/language.ts'

test.each([
  [undefined, 'en'],
  ['', 'en'],
  ['ko', 'ko'],
  ['ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7', 'ko'],
  ['en-US,en;q=0.9,ko;q=0.8', 'en'],
  ['de-DE,de;q=0.9,ko;q=0.5', 'ko'],
  ['de,fr', 'en'],
  ['ko;q=0, en;q=0.1', 'en'],
  ['KO-kr', 'ko'],
  ['*', 'en'],
  [';;;,,q=,ko;q=x', 'ko'],
])('a browser that sends %s reads %s', (header, language) => {
  expect(preferredLanguage(header)).toBe(language)
})

test('a choice goes before what the browser sends; a cookie that is none of ours counts as none', () => {
  const headers = { 'accept-language': 'ko' }
  const of = (cookie: string | undefined) => languageOf({ headers, cookies: { 'promostream-language': cookie } })
  expect([of('en'), of('ko'), of('xx'), of(undefined)]).toEqual(['en', 'ko', 'ko', 'ko'])
})
