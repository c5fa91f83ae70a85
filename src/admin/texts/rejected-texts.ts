import { FORMATS, type Language } from './format.ts'

const { en, ko } = FORMATS

/** Messages that became no gift. */
const english = {
  title: 'Rejected messages',
  titleOf: (name: string) => `Rejected messages of ${name}`,
  summary: 'By reason',
  skipped: 'Not taken',
  skippedHint: 'Gifts whose promotion was not there, had ended, or had no room: each is kept with its place in Kafka.',
  invalid: 'Invalid, and contradictions',
  invalidHint: 'Messages that are no gift, or name a target that has another one: the last 500 of the invalid topic.',
  poison: 'Given up by workers',
  poisonHint: 'Gifts whose worker died again and again (POISON): unknown, and retried by a person.',
  poisonLink: 'Show them',
  none: 'None.',
  notRead: (reason: string) => `The invalid topic could not be read: ${reason}`,
  when: 'When',
  reason: 'Reason',
  place: 'Place',
  target: 'Target',
  message: 'Content',
  placeOf: (topic: string, partition: number, offset: string) => `${topic}, partition ${partition}, offset ${offset}`,
  select: 'Select',
  selectOf: (place: string) => `Select the message at ${place}`,
  selectAll: 'Select all on this page',
  replay: 'Publish the selected ones again',
  replayHint: 'Whatever is published twice is paid once.',
  replayed: (count: number) => (count === 1 ? '1 message published' : `${en.number(count)} messages published`),
}

const korean: typeof english = {
  title: '거절된 메시지',
  titleOf: name => `${name}의 거절된 메시지`,
  summary: '사유별 건수',
  skipped: '받지 않은 메시지',
  skippedHint: '프로모션이 없거나, 끝났거나, 상한에 도달한 지급 건입니다. Kafka 위치와 함께 보관됩니다.',
  invalid: '잘못된 메시지와 충돌',
  invalidHint: '지급 메시지가 아니거나 같은 대상에 다른 내용이 온 메시지입니다. invalid 토픽의 최근 500개입니다.',
  poison: '워커가 포기한 지급 건',
  poisonHint: '처리하던 워커가 거듭 종료된 지급 건(POISON)입니다. 결과 미확인 상태이며 사람이 재시도합니다.',
  poisonLink: '목록 보기',
  none: '없습니다.',
  notRead: reason => `invalid 토픽을 읽지 못했습니다: ${reason}`,
  when: '시각',
  reason: '사유',
  place: '위치',
  target: '대상',
  message: '내용',
  placeOf: (topic, partition, offset) => `${topic}, 파티션 ${partition}, 오프셋 ${offset}`,
  select: '선택',
  selectOf: place => `${place}의 메시지 선택`,
  selectAll: '이 페이지의 메시지 모두 선택',
  replay: '선택한 메시지 다시 발행',
  replayHint: '두 번 발행되어도 한 번만 지급됩니다.',
  replayed: count => `메시지 ${ko.number(count)}개를 발행했습니다`,
}

export const rejectedTexts: Readonly<Record<Language, typeof english>> = { en: english, ko: korean }
