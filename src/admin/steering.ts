/** What an operator can do with a promotion, by the names that the API gives it. Rejects with CodedErrors. */
export type Steering = Readonly<
  Record<
    'start' | 'pause' | 'resume' | 'stop' | 'finish' | 'rebuild' | 'retry-unknown' | 'reconcile-unknown',
    (promotionId: string) => Promise<unknown>
  >
>
