import { FORMATS, type Language } from './format.ts'

const { en, ko } = FORMATS

/** What the Money API answers. */
const english = {
  title: 'Money API',
  ofPromotion: 'Money API, for this promotion',
  hint: 'over the last five seconds',
  none: 'No call in the last five seconds.',
  figures: { calls: 'Calls', failing: 'Failing', p50: 'Median', p99: 'p99', lastError: 'Last error' },
  perSecond: (calls: number) => `${en.number(Math.round(calls * 10) / 10)}/s`,
  ms: (ms: number) => `${en.number(ms)} ms`,
  shares: 'Answers by meaning',
  meanings: {
    charged: 'paid',
    refused: 'refused',
    unauthorized: 'credentials refused',
    unsettled: 'no usable answer',
    'no-charge': 'no charge yet (GET)',
  } as Readonly<Record<string, string>>,
  noError: 'none',
  errors: {
    TIMEOUT: 'no answer in time',
    NO_REPLY: 'the connection broke',
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was reset',
    UND_ERR_SOCKET: 'the connection broke',
    ENOTFOUND: 'its name is not known',
    UNREADABLE_REPLY: 'an answer that cannot be read',
    REPLY_TOO_LARGE: 'an answer that is too large',
    HTTP_401: 'credentials refused (401)',
    HTTP_403: 'not allowed (403)',
    HTTP_409: 'the same key is under way (409)',
    HTTP_429: 'too many calls (429)',
    HTTP_500: 'an error inside it (500)',
    HTTP_502: 'its gateway reached nothing (502)',
    HTTP_503: 'not available (503)',
    HTTP_504: 'its gateway waited in vain (504)',
  } as Readonly<Record<string, string>>,
  status: (status: string) => `answered with status ${status}`,
}

const korean: typeof english = {
  title: 'Money API 현황',
  ofPromotion: '이 프로모션의 Money API 현황',
  hint: '최근 5초 기준',
  none: '최근 5초 동안 호출이 없습니다.',
  figures: { calls: '호출', failing: '실패율', p50: '중앙값', p99: '상위 1%(p99)', lastError: '마지막 오류' },
  perSecond: calls => `초당 ${ko.number(Math.round(calls * 10) / 10)}회`,
  ms: ms => `${ko.number(ms)}밀리초`,
  shares: '응답 의미별 비율',
  meanings: {
    charged: '지급됨',
    refused: '거절됨',
    unauthorized: '인증 거부',
    unsettled: '쓸 수 있는 응답 없음',
    'no-charge': '지급 기록 없음(GET)',
  },
  noError: '없음',
  errors: {
    TIMEOUT: '제한 시간 안에 응답 없음',
    NO_REPLY: '연결이 끊어짐',
    ECONNREFUSED: '연결이 거부됨',
    ECONNRESET: '연결이 초기화됨',
    UND_ERR_SOCKET: '연결이 끊어짐',
    ENOTFOUND: '주소를 찾을 수 없음',
    UNREADABLE_REPLY: '읽을 수 없는 응답',
    REPLY_TOO_LARGE: '너무 큰 응답',
    HTTP_401: '인증 거부(401)',
    HTTP_403: '권한 없음(403)',
    HTTP_409: '같은 키를 처리 중(409)',
    HTTP_429: '호출이 너무 많음(429)',
    HTTP_500: '내부 오류(500)',
    HTTP_502: '게이트웨이 오류(502)',
    HTTP_503: '사용할 수 없음(503)',
    HTTP_504: '게이트웨이 시간 초과(504)',
  },
  status: status => `상태 코드 ${status} 응답`,
}

export const moneyTexts: Readonly<Record<Language, typeof english>> = { en: english, ko: korean }
