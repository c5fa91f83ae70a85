import type { Language } from './format.ts'

/** Errors by their code, in a person's words; what has no text of its own is shown as it was thrown. */
const english = {
  titles: {
    400: 'Bad request',
    401: 'Not logged in',
    403: 'Not allowed',
    404: 'Not found',
    405: 'Not allowed',
    409: 'Not possible now',
    422: 'Not valid',
    429: 'Too many requests',
    500: 'Something went wrong',
    503: 'Not available',
  } as Readonly<Record<number, string>>,
  /** English is what errors are thrown in. */
  byCode: {} as Readonly<Record<string, string>>,
}

const korean: typeof english = {
  titles: {
    400: '잘못된 요청',
    401: '로그인 필요',
    403: '권한 없음',
    404: '찾을 수 없음',
    405: '허용되지 않음',
    409: '지금은 할 수 없음',
    422: '잘못된 값',
    429: '요청이 너무 많음',
    500: '오류 발생',
    503: '사용할 수 없음',
  },
  byCode: {
    PROMOTION_NOT_FOUND: '그런 프로모션이 없습니다.',
    GIFT_NOT_FOUND: '그런 지급 건이 없습니다.',
    REPORT_NOT_FOUND: '아직 마감 보고서가 없습니다.',
    PROMOTION_NOT_SEALED: '아직 봉인되지 않았습니다.',
    PROMOTION_EXISTS: '같은 ID의 프로모션이 이미 있습니다.',
    PROMOTION_WRONG_STATE: '프로모션의 현재 상태에서는 할 수 없는 작업입니다.',
    PROMOTION_COMPLETED: '이미 완료된 프로모션입니다.',
    PROMOTION_UNFINISHED: '대기 중이거나 재시도 중인 지급 건이 있어 종료할 수 없습니다.',
    GIFT_FINAL: '성공 또는 실패로 확정된 지급 건은 바꿀 수 없습니다.',
    GIFT_WRONG_STATE: '아직 처리 중인 지급 건입니다. 요청하지 않아도 다시 시도됩니다.',
    UNPROCESSABLE: '입력한 값이 올바르지 않습니다.',
    BAD_JSON: '요청 본문이 JSON이 아닙니다.',
    UNAUTHENTICATED: '로그인이 필요합니다.',
    FORBIDDEN: '조회만 할 수 있는 사용자입니다. 변경하려면 운영자 권한이 필요합니다.',
    FOREIGN_ORIGIN: '다른 사이트에서 온 변경 요청은 거부됩니다.',
    NOT_JSON: '프로그램은 JSON을 보내야 합니다(content-type application/json).',
    NOT_ALLOWED: '지급과 관련된 작업이므로 허용되지 않습니다.',
    TOO_MANY_LOGINS: '로그인 시도가 너무 많습니다. 1분 뒤에 다시 시도하세요.',
    KAFKA_UNAVAILABLE: 'Kafka가 이벤트를 받지 않습니다.',
    OPERATION_UNAVAILABLE: '이 작업에 필요한 설정이 없습니다.',
    MONEY_UNAUTHORIZED: 'Money API가 인증 정보를 거부합니다.',
    MONEY_UNAVAILABLE: 'Money API가 응답하지 않습니다.',
    TOO_MANY_WATCHERS: '열려 있는 화면이 너무 많습니다.',
    NOT_STARTED: '아직 시작하는 중입니다. 잠시 뒤에 다시 시도하세요.',
    UNAVAILABLE: '필요한 서버가 응답하지 않습니다.',
    INTERNAL: '오류가 발생했습니다. 자세한 내용은 로그에 있습니다.',
    NOT_FOUND: '그런 페이지가 없습니다.',
    FST_CSRF_MISSING_SECRET: '페이지가 오래되었습니다. 새로 고친 뒤 다시 시도하세요.',
    FST_CSRF_INVALID_TOKEN: '페이지가 오래되었습니다. 새로 고친 뒤 다시 시도하세요.',
  },
}

export const problemTexts: Readonly<Record<Language, typeof english>> = { en: english, ko: korean }
