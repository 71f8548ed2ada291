// The page around bob.js and sue.js: shows what they are, runs them, and tells what happens.
//
// Test hooks, kept stable:
//   #status                        data-state: connecting | joined | reconnecting
//   #announce-sue #sue-tab         Sue in this page, or in another; ?as=sue is that page
//   #declines                      whether the Sue of this page declines
//   #call-sue #call-zoe #hang-up   Zoe is nobody
//   #phases [data-phase]           discovery | handshaking | network, with data-state
//                                  waiting | running | done | failed, .took, .said li[data-type]
//   #outcome                       data-state idle or the coupling's, data-reason; what has become of the call
//   #pair                          the chosen candidate pair, data-kind direct | relayed
//   #words li                      what was heard over the data channel

import { randomRoom, tidy } from '/demo/names.js';

import { announceBob, call } from './bob.js';
import { Phases } from './phases.js';
import { announceSue } from './sue.js';
import { endpoint, inWords, watchFrames } from './wire.js';

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const isSue = asked.get('as') === 'sue';
const room = tidy(asked.get('room')) || randomRoom();
const phases = new Phases($('phases'), $('told'));
const names = new Map(); // id → name

let bob = null;
let sue = null;
let current = null; // the coupling that is shown
let caller = $(isSue ? 'announce-sue' : 'call-sue'); // where the focus goes when a call is over

const WHY = {
  'no-match': (name) => `Nobody in the room is called ${name}.`,
  declined: (name) => `${name} has declined.`,
  gone: (name) => `${name} has left.`,
  suspended: (name) => `${name} has lost the server.`,
  'no-path': () => 'No path was found, neither a direct one nor over a relay.',
  timeout: (name) => `${name} did not answer in time.`,
};

function show(state, text, reason = '') {
  $('outcome').textContent = text;
  $('outcome').dataset.state = state;
  $('outcome').dataset.reason = reason;
}

// --- Bob ---

function onCall({ currentTarget }, name) {
  caller = currentTarget;
  phases.begin();
  $('words').replaceChildren();
  const { coupling, channel } = call(name, bob);
  channel.addEventListener('message', ({ data }) => addWords(data));
  follow(coupling, name, `Asking for ${name} …`);
  showButtons();
}

/** Shows what becomes of a coupling. */
function follow(coupling, name, text) {
  current = coupling;
  $('pair').textContent = '';
  show(coupling.state, text);
  coupling.addEventListener('statechange', ({ detail: { state } }) => {
    if (coupling !== current) return;
    phases.reach(state);
    if (state === 'active') show(state, `Connected with ${name}.`);
    else if (state === 'connecting') show(state, 'Looking for a path …');
    else if (state === 'negotiating') show(state, isSue ? 'Sue will talk.' : `${name} will talk.`);
    showButtons();
  });
  coupling.addEventListener('failed', ({ detail: { reason, message } }) => {
    if (coupling === current) over('failed', WHY[reason]?.(name) ?? `It has failed: ${message}.`, reason);
  });
  coupling.addEventListener('closed', ({ detail: { by } }) => {
    if (coupling === current) over('closed', by === 'self' ? 'You have hung up.' : `${name} has hung up.`);
  });
  coupling.addEventListener('icecandidatepair', ({ detail }) => coupling === current && showPair(detail));
}

function over(state, text, reason) {
  show(state, text, reason);
  phases.say(text);
  showButtons();
}

function showPair({ local, remote, isRelayed, roundTripTime }) {
  const side = ({ type, relayProtocol, protocol, address, port }) =>
    `${type} ${relayProtocol ?? protocol} ${address ? endpoint(address, port) : '(hidden)'}`;
  const time = roundTripTime === undefined ? '' : `, ${(roundTripTime * 1000).toFixed(1)} ms there and back`;
  $('pair').dataset.kind = isRelayed ? 'relayed' : 'direct';
  $('pair').textContent = `${isRelayed ? 'Over a relay' : 'Direct'}: ${side(local)} to ${side(remote)}${time}`;
}

function addWords(text) {
  const line = document.createElement('li');
  line.textContent = text;
  $('words').append(line);
}

// --- Sue ---

async function onAnnounceSue() {
  if (sue) {
    sue.close();
    sue = null;
    return showButtons();
  }
  $('announce-sue').disabled = true;
  try {
    const announced = await announceSue(room, () => !$('declines').checked);
    sue = announced.sue;
    if (isSue) {
      watchState(sue);
      announced.answering.addEventListener('coupling', ({ detail }) => onCalled(detail));
    }
  } catch (error) {
    show('failed', `Sue could not announce herself: ${error.message}.`);
  }
  $('announce-sue').disabled = false;
  return showButtons();
}

/** Sue's own page shows her side. */
function onCalled(coupling) {
  $('words').replaceChildren();
  follow(coupling, 'Bob', 'Bob calls.');
  coupling.connection.addEventListener('datachannel', ({ channel }) => {
    channel.addEventListener('message', ({ data }) => addWords(data));
  });
}

// --- what is shown ---

const CALLING = ['requesting', 'negotiating', 'connecting', 'active'];

function showButtons() {
  const isUp = CALLING.includes(current?.state);
  const others = [...(bob ?? sue)?.members.values() ?? []].map(({ data }) => tidy(data.name) || 'somebody');
  const focused = document.activeElement;
  $('call-sue').disabled = $('call-zoe').disabled = !bob || isUp;
  $('hang-up').disabled = !isUp;
  // A button that is disabled takes the keyboard's place along.
  if (focused?.disabled) (isUp ? $('hang-up') : caller).focus({ preventScroll: true });
  $('announce-sue').textContent = sue ? 'Sue leaves' : isSue ? 'Sue comes back' : 'Announce Sue here';
  $('others').textContent = others.length ? `Also in the room: ${others.join(', ')}.` : 'Nobody else is in the room.';
  document.body.dataset.sue = others.includes('Sue') || sue ? 'here' : 'away';
}

function watchState(signaller) {
  const states = { announced: 'joined', reconnecting: 'reconnecting', closed: 'offline' };
  const showState = () => {
    $('status').dataset.state = states[signaller.state] ?? 'connecting';
    $('status').textContent = states[signaller.state] ?? 'connecting';
    showButtons();
  };
  for (const type of ['state', 'joined', 'left', 'updated']) signaller.addEventListener(type, showState);
  showState();
}

function onFrame({ who, isSaid, frame, at }) {
  for (const { peer, from, data } of [frame, ...(frame.peers ?? [])]) {
    if (typeof data?.name === 'string') names.set(peer ?? from, tidy(data.name));
  }
  if (who !== (isSue ? 'Sue' : 'Bob')) return;
  // Who is called learns of the call by this.
  if (isSue && frame.type === 'requested') phases.begin(at);
  const noted = inWords({ isSaid, frame }, (id) => names.get(id) ?? id.slice(0, 6));
  if (noted) phases.note(noted.phase, { who, words: noted.words, frame, at });
  if (isSue && frame.type === 'decline' && isSaid) {
    phases.reach('failed');
    over('failed', 'Sue has declined.', 'declined');
  }
}

async function showSource(id) {
  const answer = await fetch(`/connect/${id}.js`);
  $(`${id}-source`).textContent = (await answer.text()).trimEnd();
}

function wire() {
  document.body.dataset.as = isSue ? 'sue' : 'bob';
  $('room').textContent = room;
  $('sue-tab').href = `/connect/?as=sue&room=${encodeURIComponent(room)}`;
  history.replaceState(null, '', `?${isSue ? 'as=sue&' : ''}room=${encodeURIComponent(room)}`);
  $('announce-sue').addEventListener('click', onAnnounceSue);
  $('call-sue').addEventListener('click', (event) => onCall(event, 'Sue'));
  $('call-zoe').addEventListener('click', (event) => onCall(event, 'Zoe'));
  $('hang-up').addEventListener('click', () => current?.close());
  watchFrames(onFrame);
  for (const id of ['bob', 'sue']) showSource(id).catch(() => {});
}

async function begin() {
  wire();
  showButtons();
  if (isSue) {
    document.title = 'Sue · Trunkline';
    show('idle', 'Sue waits for a call.');
    await onAnnounceSue();
    return;
  }
  show('idle', 'No call yet.');
  try {
    bob = await announceBob(room);
    watchState(bob);
  } catch (error) {
    show('failed', `Bob could not announce himself: ${error.message}.`);
  }
}

begin();
