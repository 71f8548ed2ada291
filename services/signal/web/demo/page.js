// Trunkline demo: wires the page together.
//
// Test hooks, kept stable:
//   #name #room #join          the form; #join submits it
//   #relay-only                joins with paths through the relay alone; ?relay=only checks it
//   #leave                     leaves the room
//   #status                    text and data-state: offline | connecting | joined | reconnecting
//   #invite #copy-invite       the link to the room
//   #peers li[data-peer]       one per other member (data-peer = id, data-name); inside
//                              [data-action="call-video"], "call-data", "hangup"
//   #calls [data-call]         a card per call (data-call = peer id) with data-state
//                              ringing (they call) | calling (we call) | connecting | connected |
//                              failed | ended, its reason in .call-state; while ringing inside
//                              [data-action="answer-video"] (for calls with camera), "answer-data",
//                              "decline"; [data-action="send-video"] while we send no camera;
//                              [data-action="end-call"];
//                              .pair `direct · IPv4 · udp · 3 ms` (`<1 ms` below one) with
//                              data-kind direct | relayed; .channel the data channel's round trip;
//                              video[data-remote], video[data-local]
//   #chat-log li #chat-text #chat-send
//   #log #copy-log
//   #ringing                   who calls, for screen readers
//   ?name= and ?room= (or the hash) prefill the form.

import { Board } from './board.js';
import { Log } from './log.js';
import { newId, randomRoom, roomFromAddress, tidy } from './names.js';
import { Signalling } from './signalling.js';
import * as view from './view.js';

const CHAT_LIMIT = 200;
const TEXT_LIMIT = 2000;
const $ = (id) => document.getElementById(id);

// The id lives as long as the page: a duplicated tab must get its own.
const me = { id: newId(), name: '', room: '' };
let returnTo = null;

const journal = new Log($('log'));
const log = (text, kind) => journal.add(text, kind);
const signalling = new Signalling({ id: me.id, url: location.origin });
const board = new Board({
  me, signalling, log, nodes: { peers: $('peers'), calls: $('calls') }, onChange: showCounts,
});

function showCounts() {
  showRinging();
  const { peers, calls } = board.counts;
  $('main').dataset.calls = calls ? 'some' : 'none';
  $('no-peers').hidden = peers > 0;
  $('no-calls').hidden = calls > 0;
  view.say($('peer-count'), String(peers + 1));
  view.say($('no-calls-title'), peers ? 'No line is up' : 'You are the first one here');
  view.say($('no-calls-text'), peers
    ? 'Call somebody on the list, with your camera or with data only.'
    : 'Send the invite link to somebody, or open it in a second tab.');
}

/** A page in the background says in its title that it rings. */
function showRinging() {
  const [call] = board.ringing;
  const inRoom = document.body.dataset.view === 'room';
  const place = inRoom ? `${me.room} · Trunkline` : 'Trunkline';
  document.title = call ? `${call.peerName} calls · ${place}` : place;
  view.say($('ringing'), call ? `${call.peerName}: ${call.detail}. Answer or decline.` : '');
}

// --- joining and leaving ---

function prefill() {
  const asked = new URLSearchParams(location.search);
  $('name').value = tidy(asked.get('name') ?? remembered());
  $('relay-only').checked = asked.get('relay') === 'only';
  $('room').value = roomFromAddress(location) || randomRoom();
  // On a touch screen focus would pull up the keyboard over the page.
  if (!$('name').value && matchMedia('(pointer: fine)').matches) $('name').focus({ preventScroll: true });
}

function remembered() {
  try { return localStorage.getItem('trunkline-name') ?? ''; } catch { return ''; }
}

function remember(name) {
  try { localStorage.setItem('trunkline-name', name); } catch { /* storage is off: fine */ }
}

function onJoin(event) {
  event.preventDefault();
  if (signalling.state !== 'offline') return;
  const name = tidy($('name').value);
  const room = tidy($('room').value);
  const missing = !name ? $('name') : !room ? $('room') : null;
  if (missing) {
    showProblem(missing === $('name') ? 'Please give a name.' : 'Please give a room.', missing);
    missing.focus();
    return;
  }
  remember(name);
  enter({ name, room });
}

function enter({ name, room }) {
  Object.assign(me, { name, room });
  showProblem('');
  $('room-title').textContent = room;
  $('room-title').title = room;
  $('own-name').textContent = name;
  $('own-name').title = name;
  $('own-jack').replaceChildren(view.jack(me.id, name));
  $('invite').value = `${location.origin}/?room=${encodeURIComponent(room)}`;
  history.replaceState(null, '', `/?room=${encodeURIComponent(room)}`);
  $('chat-log').replaceChildren();
  showChatEmpty();
  log(`Joining ${room} as ${name}`);
  signalling.join({ room, name, relayOnly: $('relay-only').checked });
}

function leave() {
  board.clear();
  signalling.leave();
  log('You left the room');
  $('join').focus({ preventScroll: true });
}

/** `field`, if it is about one, is told apart until there is another problem or none. */
function showProblem(text, field = null) {
  $('problem').hidden = !text;
  view.say($('problem'), text);
  for (const each of [$('name'), $('room')]) {
    if (each === field) {
      each.setAttribute('aria-invalid', 'true');
      each.setAttribute('aria-describedby', 'problem');
    } else {
      each.removeAttribute('aria-invalid');
      each.removeAttribute('aria-describedby');
    }
  }
}

function onState({ detail: state }) {
  view.say($('status'), state);
  $('status').dataset.state = state;
  const inRoom = state !== 'offline';
  if (document.body.dataset.view !== (inRoom ? 'room' : 'lobby')) window.scrollTo(0, 0);
  document.body.dataset.view = inRoom ? 'room' : 'lobby';
  $('lobby').hidden = inRoom;
  $('main').hidden = !inRoom;
  $('leave').hidden = !inRoom;
  showRinging();
  $('outage').hidden = state !== 'reconnecting';
  log(`Signalling: ${state}`, state === 'reconnecting' ? 'warn' : 'info');
  if (state === 'joined') board.joined();
}

function onRefused({ detail: { code, reason } }) {
  board.clear();
  showProblem(`The server closed the door: ${tidy(reason, 200)}`);
  log(`The server refused (${code}): ${tidy(reason, 200)}`, 'error');
}

// --- chat ---

function onChatSubmit(event) {
  event.preventDefault();
  const text = $('chat-text').value.trim().slice(0, TEXT_LIMIT);
  if (!text) return;
  signalling.broadcast('/chat', { text });
  addChat({ id: me.id, name: me.name, text, own: true });
  $('chat-text').value = '';
  showSendable();
}

function onChat({ from, data }) {
  if (typeof data.text !== 'string' || !data.text.trim()) return;
  addChat({ id: from, name: board.nameOf(from), text: data.text.slice(0, TEXT_LIMIT), own: false });
}

function addChat(message) {
  const list = $('chat-log');
  list.append(view.chatItem(message));
  while (list.children.length > CHAT_LIMIT) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
  showChatEmpty();
}

function showChatEmpty() {
  $('no-chat').hidden = $('chat-log').children.length > 0;
}

function showSendable() {
  $('chat-send').disabled = !$('chat-text').value.trim();
}

// --- copying ---

async function copy(button, text, field) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = copyBySelection(text, field);
  }
  const label = button.querySelector('span');
  button.dataset.label ??= label.textContent;
  label.textContent = done ? 'Copied' : 'Select and copy';
  setTimeout(() => { label.textContent = button.dataset.label; }, 1600);
}

/** Pages on plain http have no clipboard to write to. */
function copyBySelection(text, field) {
  const area = field ?? view.el('textarea', { value: text, readOnly: true });
  if (!field) document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  if (!field) area.remove();
  return done;
}

// --- the page's life ---

function onPageHide() {
  returnTo = signalling.state === 'offline' ? null : { name: me.name, room: me.room };
  board.clear();
  signalling.leave();
}

function onPageShow({ persisted }) {
  if (!persisted || !returnTo) return;
  log('Back from the browser’s cache');
  enter(returnTo);
}

function wire() {
  $('join-form').addEventListener('submit', onJoin);
  $('leave').addEventListener('click', leave);
  $('chat-form').addEventListener('submit', onChatSubmit);
  $('chat-text').addEventListener('input', showSendable);
  $('copy-invite').addEventListener('click', () => copy($('copy-invite'), $('invite').value, $('invite')));
  $('invite').addEventListener('focus', () => $('invite').select());
  $('copy-log').addEventListener('click', () => copy($('copy-log'), journal.text()));
  signalling.addEventListener('state', onState);
  signalling.addEventListener('refused', onRefused);
  signalling.addEventListener('present', ({ detail }) => board.present(detail));
  signalling.addEventListener('left', ({ detail }) => board.left(detail));
  signalling.addEventListener('note', ({ detail }) => log(detail));
  signalling.addEventListener('message', ({ detail }) => {
    if (detail.cmd === '/chat') onChat(detail);
    else board.receive(detail);
  });
  window.addEventListener('pagehide', onPageHide);
  window.addEventListener('pageshow', onPageShow);
}

wire();
prefill();
showCounts();
showSendable();
