import type { Language } from './format.ts'

/** Entries of a promotion that were given up. */
const english = {
  title: 'Dead letters',
  titleOf: (name: string) => `Dead letters of ${name}`,
  hint: 'Entries that were given up. Replay puts one on the stream again; no row and no key changes, and what is to be done with it is its gift’s row to say.',
  reasonHolds: 'Reason holds',
  none: 'There is none.',
  letter: 'Letter',
  when: 'When',
  reason: 'Reason',
  deliveries: 'Deliveries',
  message: 'Message',
  change: 'Change',
  replay: 'Replay',
  discard: 'Discard',
  changeOf: (change: string, letter: string) => `${change} ${letter}`,
}

const korean: typeof english = {
  title: '포기된 항목',
  titleOf: name => `${name}의 포기된 항목`,
  hint: '처리를 포기한 스트림 항목입니다. 다시 넣기는 항목을 스트림에 다시 올립니다. 행과 키는 바뀌지 않으며, 무엇을 할지는 지급 건의 행이 결정합니다.',
  reasonHolds: '사유에 포함된 말',
  none: '없습니다.',
  letter: '항목',
  when: '시각',
  reason: '사유',
  deliveries: '전달 횟수',
  message: '메시지',
  change: '작업',
  replay: '다시 넣기',
  discard: '버리기',
  changeOf: (change, letter) => `항목 ${letter} ${change}`,
}

export const letterTexts: Readonly<Record<Language, typeof english>> = { en: english, ko: korean }
