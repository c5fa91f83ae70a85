/** Stands where there is no figure; within Latin-1, see the pages' layout. */
export const NO_FIGURE = '-'

/** The languages of the pages, the first one for who asks for neither. */
export const LANGUAGES = ['en', 'ko'] as const

export type Language = (typeof LANGUAGES)[number]

/** How a language writes figures and times. */
export interface Formats {
  /** Also for 64-bit integers as digits. */
  number(value: number | bigint | string): string
  /** A share, 0 … 1, with one decimal at most; rounded down, so that 100 % is said only of all. */
  percent(share: number): string
  /** Two units at most: a range of minutes needs no seconds. */
  duration(seconds: number): string
  /** Date and time in UTC; the page's script puts the reader's own in its place. */
  utc(iso: string): string
}

export const FORMATS: Readonly<Record<Language, Formats>> = { en: formatsOf('en'), ko: formatsOf('ko') }

function formatsOf(language: Language): Formats {
  const { format } = new Intl.NumberFormat(language)
  const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1 })
  const time = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
  return {
    number: value => (isShort(value) ? String(value) : format(typeof value === 'string' ? BigInt(value) : value)),
    percent: share => percent.format(Math.floor(share * 1000) / 1000),
    duration: durationOf(language),
    utc: iso => `${time.format(new Date(iso))} UTC`,
  }
}

/** Without a group of three to set apart it reads the same in each language; most figures of a page are so. */
const isShort = (value: number | bigint | string) =>
  typeof value === 'number' && value >= 0 && value < 1000 && Number.isInteger(value)

type DurationUnit = 'second' | 'minute' | 'hour' | 'day'

function durationOf(language: Language): Formats['duration'] {
  const formats = new Map<DurationUnit, Intl.NumberFormat>()
  const unit = (name: DurationUnit, value: number) => {
    const options = { style: 'unit', unit: name, unitDisplay: name === 'day' ? 'long' : 'short' } as const
    const known = formats.get(name) ?? new Intl.NumberFormat(language, options)
    formats.set(name, known)
    return known.format(value)
  }
  return seconds => {
    if (seconds < 60) return unit('second', Math.ceil(seconds))
    if (seconds < 600) return `${unit('minute', Math.floor(seconds / 60))} ${unit('second', Math.floor(seconds % 60))}`
    const minutes = Math.round(seconds / 60)
    if (minutes < 60) return unit('minute', minutes)
    const hours = Math.floor(minutes / 60)
    return hours < 48 ? `${unit('hour', hours)} ${unit('minute', minutes % 60)}` : unit('day', Math.round(hours / 24))
  }
}
