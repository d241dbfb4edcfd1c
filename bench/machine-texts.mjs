// What people and answering machines say when they take a call: the words of the synthesised corpus.

export const NAMES = [
  'Anna',
  'Peter',
  'Maria',
  'Tom Becker',
  'Doctor Lee',
  'Susan',
  'Mister Jones',
  'Carla',
]
const FIRMS = [
  'Acme Plumbing',
  'the Riverside Clinic',
  'Baker and Sons',
  'City Library',
  'Northern Insurance customer service',
  'Green Garden Supplies',
]

/** Greetings of people, by kind; each is a list of phrases with pauses between them. `N` is a name, `F` a firm. */
export const HUMAN = {
  hello: [
    ['Hello?'],
    ['Yes?'],
    ['Hi.'],
    ['Hello, hello?'],
    ['Yeah, hello?'],
    ['Hello.', 'Hello?'],
    ['Good morning.'],
    ['Yes, hello?'],
    ['What is it?'],
  ],
  name: [
    ['N speaking.'],
    ['Yes, this is N.'],
    ['Hello, this is N.'],
    ['Hi, N here.'],
    ['N.'],
    ['Hello.', 'N speaking.'],
    ['This is N, hello?'],
    ['Hello, this is N, who is calling?'],
  ],
  firm: [
    ['F, good morning.'],
    ['F, N speaking.'],
    ['Good morning, F, how can I help you?'],
    ['F, this is N, what can I do for you?'],
    ['Good afternoon, F, you are speaking with N, how may I help you today?'],
    ['Thank you for calling F.', 'How can I help you?'],
    ['F, good afternoon,', 'my name is N.', 'How may I direct your call?'],
  ],
}

/** What people say when they are spoken to, or not. */
export const REACTIONS = [
  'Who is this?',
  'Hello?',
  'Yes, okay.',
  'I am sorry, who is calling?',
  'What is it about?',
  'No, thank you, I am not interested.',
  'Yes, I can hear you, please go on.',
]

/** Greetings of machines, by kind. */
export const MACHINE = {
  personal: [
    [
      'Hi, you have reached N.',
      'I can not come to the phone right now.',
      'Please leave a message after the beep.',
    ],
    [
      'Hello, this is the voicemail of N.',
      'Please leave your name and number, and I will call you back.',
    ],
    [
      'You have reached N.',
      'I am not available right now.',
      'Leave a message and I will get back to you as soon as I can.',
    ],
    [
      'Hello, this is N.',
      'I am either on the phone or away from my desk.',
      'Please leave a message at the tone.',
      'Thank you.',
    ],
    ['Hi.', 'You have reached the voice mail box of N.', 'Please leave a message.', 'Bye.'],
    [
      'Hello.',
      'I am on holiday until the end of the month.',
      'In urgent cases, please call my office.',
      'Thank you, goodbye.',
    ],
  ],
  short: [
    ['Hi, it is N.', 'Leave a message.'],
    ['This is N, leave a message after the tone.'],
    ['N. You know what to do.'],
    ['You have reached N, please leave a message.'],
    ['Hi, this is N.', 'I am not here.', 'Leave a message.'],
  ],
  carrier: [
    [
      'The person that you are calling is not available.',
      'At the tone, please record your message.',
      'When you have finished recording, you may hang up, or press one for more options.',
    ],
    [
      'Your call has been forwarded to an automated voice message system.',
      'N',
      'is not available.',
      'At the tone, please record your message.',
    ],
    [
      'The subscriber can not be reached at the moment.',
      'Please leave a message after the signal.',
    ],
    ['The mailbox of', '5 5 5, 0 1 7 3,', 'can take your message after the tone.'],
  ],
  firm: [
    [
      'Thank you for calling F.',
      'Our office is closed.',
      'Our opening hours are Monday to Friday, nine to five.',
      'Please leave a message after the tone.',
    ],
    [
      'You have reached F.',
      'All of our lines are busy.',
      'Please leave your name, your number, and the reason for your call.',
    ],
  ],
  unreachable: [
    [
      'The number that you have dialled is not in service.',
      'Please check the number, and dial again.',
    ],
    [
      'We are sorry.',
      'Your call can not be completed as dialled.',
      'Please check the number and try again.',
    ],
  ],
}

/** What we say meanwhile. */
export const OURS =
  'Hello, this is an automated AI assistant calling for Acme. To stop calls like this one, press 9 at any time.'

/** The phrases of one greeting, with a name and a firm in it. */
export function filled(phrases, random) {
  const name = pick(NAMES, random)
  const firm = pick(FIRMS, random)
  return phrases.map((phrase) => phrase.replace(/\bN\b/g, name).replace(/\bF\b/g, firm))
}

export function pick(list, random) {
  return list[random.int(0, list.length - 1)]
}
