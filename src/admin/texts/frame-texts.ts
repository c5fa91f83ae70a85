import type { Language } from './format.ts'

/** What stands around every page: its head, the login, errors. */
const english = {
  skip: 'Skip to content',
  mainNavigation: 'Main',
  breadcrumb: 'Breadcrumb',
  promotions: 'Promotions',
  progress: 'Progress',
  board: 'Board',
  activity: 'Activity',
  api: 'API',
  logOut: 'Log out',
  roles: { viewer: 'viewer', operator: 'operator' },
  language: 'Language',
  logIn: 'Log in',
  user: 'User',
  password: 'Password',
  wrongPassword: 'Wrong user or password.',
  allPromotions: 'All promotions',
  further: 'Further',
  none: 'none',
  live: 'live',
  done: 'done',
  notRead: 'Cannot be read while PostgreSQL does not answer.',
  stale: {
    database: 'PostgreSQL does not answer: promotions and gifts are as of',
    redis: 'Redis does not answer: workers, calls and entries are as of',
    kafka: 'Kafka does not answer: messages of its topics are as of',
  },
  answered: (status: number) => `status ${status}`,
}

const korean: typeof english = {
  skip: '본문으로 건너뛰기',
  mainNavigation: '주 메뉴',
  breadcrumb: '현재 위치',
  promotions: '프로모션',
  progress: '진행 현황',
  board: '큐 보드',
  activity: '작업 이력',
  api: 'API 문서',
  logOut: '로그아웃',
  roles: { viewer: '조회자', operator: '운영자' },
  language: '언어',
  logIn: '로그인',
  user: '사용자',
  password: '비밀번호',
  wrongPassword: '사용자 또는 비밀번호가 올바르지 않습니다.',
  allPromotions: '전체 프로모션',
  further: '다음',
  none: '없음',
  live: '실시간',
  done: '완료',
  notRead: 'PostgreSQL이 응답하지 않아 읽을 수 없습니다.',
  stale: {
    database: 'PostgreSQL이 응답하지 않아 이전에 읽은 프로모션과 지급 내역을 표시합니다. 기준 시각:',
    redis: 'Redis가 응답하지 않아 이전에 읽은 워커, 호출, 엔트리 정보를 표시합니다. 기준 시각:',
    kafka: 'Kafka가 응답하지 않아 이전에 읽은 토픽 메시지를 표시합니다. 기준 시각:',
  },
  answered: status => `응답 코드 ${status}`,
}

export const frameTexts: Readonly<Record<Language, typeof english>> = { en: english, ko: korean }
