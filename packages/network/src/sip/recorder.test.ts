// The recorder at the transport: which messages are whose, in what order, and how many at most.
import { SimClock } from '@saperly/kernel'
import { expect, it } from 'vitest'
import { udpHop } from './hop.ts'
import { MAX_DIALOG_BYTES, MAX_ENDED, MAX_MESSAGES, SignallingRecorder } from './recorder.ts'
import { SimNetwork } from './sim-network.ts'

const OURS = { address: '192.0.2.1', port: 5060 }
const THEIRS = { address: '192.0.2.2', port: 5070 }

function setUp() {
  const clock = new SimClock()
  const network = new SimNetwork(clock, 10, () => false)
  const recorder = new SignallingRecorder(clock)
  const us = recorder.over(network.open(OURS))
  const them = network.open(THEIRS)
  const heard: string[] = []
  us.receive((data) => heard.push(data.toString()))
  them.receive((data) =>
    them.send(Buffer.from(`SIP/2.0 200 OK\r\n${data.toString()}`), udpHop(OURS), () => {}),
  )
  const send = async (text: string): Promise<void> => {
    us.send(Buffer.from(text), udpHop(THEIRS), () => {})
    await clock.advance(50)
  }
  return { clock, recorder, us, send, heard }
}

const message = (callId: string, more = ''): string =>
  `OPTIONS sip:b SIP/2.0\r\nCall-ID: ${callId}\r\n${more}\r\n`

it('keeps both ways of a call, in order, with times and addresses, and lets everything through', async () => {
  const { clock, recorder, send, heard } = setUp()
  const at = clock.now()
  recorder.follow('call_1', 'a@x')
  await send(message('a@x', 'Authorization: Digest response="secret"\r\n'))
  await send('A sip:b SIP/2.0\r\ni: b@x\r\n\r\n')
  await send('\r\n\r\n')
  expect(heard).toHaveLength(3)
  const ends = { ours: '192.0.2.1:5060', theirs: '192.0.2.2:5070', protocol: 'UDP' }
  expect(recorder.trace('call_1')).toMatchObject([
    { direction: 'sent', at, ...ends },
    { direction: 'received', at: at + 20, ...ends },
  ])
  expect(recorder.trace('call_1')[0]!.text).toContain('response="******"')
  // A dialog may be found to be a call's after its first message; a short name is the same name.
  recorder.follow('call_1', 'b@x')
  expect(recorder.trace('call_1')).toHaveLength(4)
  expect(recorder.trace('call_2')).toEqual([])
})

it('keeps so many messages and bytes of a dialog, and its first ones', async () => {
  const { recorder, send } = setUp()
  recorder.follow('many', 'many')
  for (let i = 0; i < MAX_MESSAGES; i++) await send(message('many', `N: ${i}\r\n`))
  expect(recorder.trace('many')).toHaveLength(MAX_MESSAGES)
  expect(recorder.trace('many')[0]!.text).toContain('N: 0')
  recorder.follow('large', 'large')
  const large = `X: ${'x'.repeat(60_000)}\r\n`
  for (let i = 0; i < 5; i++) await send(message('large', large))
  const bytes = recorder.trace('large').reduce((sum, { text }) => sum + text.length, 0)
  expect(bytes).toBeLessThanOrEqual(MAX_DIALOG_BYTES)
  expect(bytes).toBeGreaterThan(60_000)
})

it('forgets a call that is over when many others have ended after it', async () => {
  const { recorder, send } = setUp()
  for (let i = 0; i <= MAX_ENDED; i++) {
    recorder.follow(`call_${i}`, `${i}@x`)
    await send(message(`${i}@x`))
    recorder.ended(`call_${i}`)
  }
  expect(recorder.trace('call_0')).toEqual([])
  expect(recorder.trace('call_1')).toHaveLength(2)
  expect(recorder.trace(`call_${MAX_ENDED}`)).toHaveLength(2)
})

it('forgets the oldest dialogs when all of them are too much', async () => {
  const { recorder, us } = setUp()
  for (let i = 0; i < 1_300; i++) {
    recorder.follow(`call_${i}`, `${i}@x`)
    us.send(
      Buffer.from(message(`${i}@x`, `X: ${'x'.repeat(60_000)}\r\n`)),
      udpHop(THEIRS),
      () => {},
    )
  }
  expect(recorder.trace('call_0')).toEqual([])
  expect(recorder.trace('call_1299')).toHaveLength(1)
  const kept = Array.from({ length: 1_300 }, (_, i) => recorder.trace(`call_${i}`).length)
  expect(kept.filter(Boolean).length * 60_000).toBeLessThanOrEqual(64 * 1024 * 1024)
})
