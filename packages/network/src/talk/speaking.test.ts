// Our speech on simulated media time: order, what was heard, interruptions, and engines that fail.
import { describe, expect, it } from 'vitest'
import { CONTINUATION_LIMIT_MS, MAX_QUEUED, RENDER_LIMIT_MS } from './playout.ts'
import { Leg } from './testing.ts'

const LONG = 'One two three four five six seven eight nine ten.'

describe('an utterance', () => {
  it('is told when it begins and when it is over', async () => {
    const leg = new Leg()
    leg.speak('Hello there.')
    await leg.quiet(1_000)
    expect(leg.events).toEqual([
      {
        type: 'speaking',
        utteranceId: 'u1',
        speechMs: 40,
        wireMs: 0,
        at: leg.startedAt + 40,
      },
      {
        type: 'spoke',
        utteranceId: 'u1',
        outcome: 'played',
        text: 'Hello there.',
        heard: 'Hello there.',
        heardMs: 400,
        basis: 'exact',
        startedAt: leg.startedAt + 40,
        endedAt: leg.startedAt + 420,
      },
    ])
    expect(leg.sentMs).toBe(400)
  })

  it('is rendered a sentence ahead, and no further', async () => {
    const leg = new Leg()
    leg.speak('This is sentence one. This is sentence two. This is sentence three.')
    await leg.quiet(200)
    expect(leg.mouth.texts).toEqual(['This is sentence one.', 'This is sentence two.'])
    await leg.quiet(800)
    expect(leg.mouth.texts).toHaveLength(3)
    await leg.quiet(2_000)
    expect(leg.sentMs).toBe(2_400)
    expect(leg.sent.lastIndexOf(true) - leg.sent.indexOf(true)).toBe(119)
  })

  it('goes on with its id until a part comes without more', async () => {
    const leg = new Leg()
    const utteranceId = leg.speak('I can ', { more: true })
    await leg.quiet(100)
    leg.speak('do that for you, ', { more: true, utteranceId })
    leg.speak('After this.')
    await leg.quiet(1_500)
    expect(leg.types()).toEqual(['speaking'])
    leg.speak('gladly.', { utteranceId })
    await leg.quiet(1_500)
    expect(leg.of('spoke').map(({ text, outcome }) => [text, outcome])).toEqual([
      ['I can do that for you, gladly.', 'played'],
      ['After this.', 'played'],
    ])
  })

  it('is begun when its writer pauses after a sentence, or for long', async () => {
    const leg = new Leg()
    const utteranceId = leg.speak('Just a moment.', { more: true })
    await leg.quiet(240)
    expect(leg.mouth.texts).toEqual([])
    await leg.quiet(20)
    expect(leg.mouth.texts).toEqual(['Just a moment.'])
    leg.speak(' I am loo', { more: true, utteranceId })
    await leg.quiet(1_700)
    expect(leg.mouth.texts).toEqual(['Just a moment.', 'I am'])
    leg.speak('king.', { utteranceId })
    await leg.quiet(1_000)
    expect(leg.mouth.texts).toEqual(['Just a moment.', 'I am', 'looking.'])
    expect(leg.of('spoke')).toMatchObject([{ heard: 'Just a moment. I am looking.' }])
  })

  it('that says nothing is over at once', async () => {
    const leg = new Leg()
    leg.speak(' ')
    await leg.quiet(20)
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'played', heardMs: 0 }])
  })

  it('stops when told, and so does what waits; nothing is told twice', async () => {
    const leg = new Leg()
    leg.speak(LONG)
    leg.speak('Never said.')
    leg.talk.command({ type: 'sendDigits', digits: '1' })
    await leg.quiet(700)
    leg.talk.command({ type: 'stop' })
    await leg.quiet(2_000)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'spoke'])
    expect(leg.of('spoke')).toMatchObject([
      { outcome: 'stopped', heard: 'One two three', heardMs: 620, basis: 'exact' },
      { outcome: 'stopped', heard: '', heardMs: 0, text: 'Never said.' },
    ])
    expect(leg.pressed).toEqual([])
  })

  it('is heard in proportion where the engine gives no times', async () => {
    const leg = new Leg({ wordTimes: 'estimated' })
    leg.speak(LONG)
    await leg.quiet(1_100)
    leg.talk.command({ type: 'stop' })
    const [spoke] = leg.of('spoke')
    expect(spoke).toMatchObject({ basis: 'estimated', heard: 'One two three four five' })
  })

  it('is ended by the end of the leg, the disclosure too', async () => {
    const leg = new Leg()
    leg.speak(LONG, { protected: true })
    await leg.quiet(500)
    leg.talk.close()
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'stopped', heard: 'One two' }])
    leg.speak('Too late.')
    await leg.quiet(100)
    expect(leg.types()).toEqual(['speaking', 'spoke'])
    expect(leg.clock.pending()).toBe(0)
  })

  it('is refused when too many wait', async () => {
    const leg = new Leg()
    for (let i = 0; i <= MAX_QUEUED; i++) leg.speak(`Number ${i}.`)
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'stopped', text: `Number ${MAX_QUEUED}.` }])
  })
})

describe('digits of ours', () => {
  it('are sent between the utterances around them', async () => {
    const leg = new Leg()
    leg.speak('First this.')
    leg.talk.command({ type: 'sendDigits', digits: '12w3' })
    leg.speak('Then that.')
    await leg.quiet(400)
    expect(leg.pressed).toEqual([])
    await leg.quiet(400)
    expect(leg.pressed).toMatchObject([{ digits: '12w3' }])
    expect(leg.types()).toEqual(['speaking', 'spoke'])
    leg.pressed[0]?.done()
    leg.pressed[0]?.done()
    await leg.quiet(600)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'digitsSent', 'speaking', 'spoke'])
  })
})

describe('an engine', () => {
  it('that fails in the middle ends its utterance, not the next', async () => {
    const leg = new Leg()
    leg.speak('This is fine. But BROKEN here.')
    leg.speak('Still talking.')
    await leg.quiet(2_500)
    expect(leg.of('spoke')).toMatchObject([
      { outcome: 'stopped', heard: 'This is fine. But', utteranceId: 'u1' },
      { outcome: 'played', utteranceId: 'u2' },
    ])
  })

  it('that hangs is given up, and others are not held up', async () => {
    const leg = new Leg()
    leg.speak('This HANGS for ever.')
    leg.speak('Still talking.')
    await leg.quiet(RENDER_LIMIT_MS + 1_000)
    expect(leg.of('spoke')).toMatchObject([
      { outcome: 'stopped', heard: '' },
      { outcome: 'played', utteranceId: 'u2' },
    ])
    expect(leg.clock.pending()).toBe(0)
  }, 60_000)
})

it('a continuation that never comes ends the utterance as played', async () => {
  const leg = new Leg()
  const utteranceId = leg.speak('And now, ', { more: true })
  await leg.quiet(1_000)
  await leg.quiet(CONTINUATION_LIMIT_MS)
  expect(leg.of('spoke')).toMatchObject([{ outcome: 'played', text: 'And now, ' }])
  leg.speak('too late.', { utteranceId })
  await leg.quiet(500)
  expect(leg.of('spoke')).toHaveLength(1)
}, 60_000)
