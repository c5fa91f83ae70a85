import { activityTexts } from './activity-texts.ts'
import { bottleneckTexts } from './bottleneck-texts.ts'
import { FORMATS, type Formats, LANGUAGES, type Language } from './format.ts'
import { frameTexts } from './frame-texts.ts'
import { giftTexts } from './gift-texts.ts'
import { letterTexts } from './letter-texts.ts'
import { moneyTexts } from './money-texts.ts'
import { problemTexts } from './problem-texts.ts'
import { promotionTexts } from './promotion-texts.ts'
import { rejectedTexts } from './rejected-texts.ts'
import { reportTexts } from './report-texts.ts'

/** Every text of the pages in one language, and how it writes figures. No page has a text of its own. */
export interface Texts {
  language: Language
  format: Formats
  frame: (typeof frameTexts)[Language]
  problem: (typeof problemTexts)[Language]
  promotion: (typeof promotionTexts)[Language]
  bottleneck: (typeof bottleneckTexts)[Language]
  gift: (typeof giftTexts)[Language]
  letters: (typeof letterTexts)[Language]
  money: (typeof moneyTexts)[Language]
  activity: (typeof activityTexts)[Language]
  rejected: (typeof rejectedTexts)[Language]
  report: (typeof reportTexts)[Language]
}

const textsOf = (language: Language): Texts => ({
  language,
  format: FORMATS[language],
  frame: frameTexts[language],
  problem: problemTexts[language],
  promotion: promotionTexts[language],
  bottleneck: bottleneckTexts[language],
  gift: giftTexts[language],
  letters: letterTexts[language],
  money: moneyTexts[language],
  activity: activityTexts[language],
  rejected: rejectedTexts[language],
  report: reportTexts[language],
})

/** The catalogue: the compiler and a test see to it that no language lacks a text that another one has. */
export const TEXTS = Object.fromEntries(LANGUAGES.map(language => [language, textsOf(language)])) as Readonly<
  Record<Language, Texts>
>

/** How a language calls itself. */
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { en: 'English', ko: '한국어' }

/** A text that is written in the reader's language when it is read. */
export type Text = (texts: Texts) => string
